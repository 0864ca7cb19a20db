"""The verifier of mathematical answers: equal by algebra, however they are written, by `math-verify`.

Comparisons run in one process for a whole rollout, which is ended and started anew where one of
them takes too long or too much memory: an answer that a model writes may be anything.
"""

import json
import select
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import IO, cast

from training.verifiers.attempt import Attempt, BadReferenceError
from training.verifiers.place import answer_in
from training.verifiers.settings import VerifierSettings
from training.verifiers.values import reference_text

_PROGRAM = Path(__file__).with_name("maths_process.py")
_START_S = 120.0


def maths(attempts: Sequence[Attempt], settings: VerifierSettings) -> list[float]:
    """1 where the answer equals the reference: 1/2, 0.5 and 2/4 are one.

    Raises:
        BadReferenceError: a reference is no text.
        RuntimeError: the process that compares does not start.
    """
    place = settings.answer_in or "marked"
    said = [answer_in(each.text, place, tag=settings.tag) for each in attempts]
    pairs = [(reference_text(each, settings), text or "") for each, text in zip(attempts, said, strict=True)]
    # Most answers are written as the reference is, or not there at all.
    told = [reference.split() == text.split() for reference, text in pairs]
    open_ = [number for number, (_, text) in enumerate(pairs) if text and not told[number]]
    for number, equal in zip(open_, _equal([pairs[i] for i in open_], settings), strict=True):
        told[number] = equal
    return list(map(float, told))


def maths_reference(attempt: Attempt, settings: VerifierSettings) -> str:
    """The reference's text; `BadReferenceError` where it is none, or the library is missing."""
    if find_spec("math_verify") is None:
        raise BadReferenceError("check: maths needs the package math-verify\nrun: pip install math-verify")
    return reference_text(attempt, settings)


def _equal(pairs: Sequence[tuple[str, str]], settings: VerifierSettings) -> list[bool]:
    told: list[bool] = []
    while len(told) < len(pairs):
        told += _Comparing.begun(settings).told(pairs[len(told) :], settings.timeout_s)
    return told


@dataclass(frozen=True, slots=True)
class _Comparing:
    """The process that compares, from its start to the first comparison that it does not come back from."""

    process: subprocess.Popen[str]

    @classmethod
    def begun(cls, settings: VerifierSettings) -> "_Comparing":
        # Without -P Python would look for modules beside the script, where they have other names' contents.
        command = [sys.executable, "-P", str(_PROGRAM), str(settings.memory_mb)]
        pipe = subprocess.PIPE
        return cls(
            subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, text=True)  # noqa: S603
        )

    def told(self, pairs: Sequence[tuple[str, str]], seconds: float) -> list[bool]:
        """Verdicts, up to and with that of a pair that took too long, which is False."""
        try:
            if self._line(_START_S) is None:
                raise RuntimeError("the process that compares mathematical answers did not start")
            return self._verdicts(pairs, seconds)
        finally:
            self.process.kill()
            self.process.communicate()

    def _verdicts(self, pairs: Sequence[tuple[str, str]], seconds: float) -> list[bool]:
        told: list[bool] = []
        for pair in pairs:
            line = self._asked(json.dumps(pair), seconds)
            told.append(line == "true")
            if line is None:
                break
        return told

    def _asked(self, question: str, seconds: float) -> str | None:
        to = cast("IO[str]", self.process.stdin)
        try:
            to.write(question + "\n")
            to.flush()
        except BrokenPipeError:
            return None
        return self._line(seconds)

    def _line(self, seconds: float) -> str | None:
        """The next line; None where it does not come in time, or the process has ended."""
        out = cast("IO[str]", self.process.stdout)
        ready, _, _ = select.select([out], [], [], seconds)
        return out.readline().strip() or None if ready else None
