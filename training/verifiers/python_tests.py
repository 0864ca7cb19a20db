"""The verifier of programs: Python that a model wrote, run with the tests of the prompt's row.

Each runs in a process of its own, confined as `confine.py` says, in an empty folder that goes with it. What
it prints, raises or returns counts for nothing: it is right where its tests come to their end.
"""

import json
import os
import secrets
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from training.verifiers.attempt import Attempt, BadReferenceError
from training.verifiers.place import answer_in
from training.verifiers.settings import VerifierSettings

_SCRIPT = Path(__file__).with_name("confine.py")


def python_tests(attempts: Sequence[Attempt], settings: VerifierSettings) -> list[float]:
    """1 where the program passes: text of Python with assertions, or a list of such texts.

    As many run at once as there are processors.
    """
    with ThreadPoolExecutor(max_workers=os.cpu_count() or 1) as pool:
        return list(pool.map(lambda attempt: float(_passes(attempt, settings)), attempts))


def tests_reference(attempt: Attempt, _settings: VerifierSettings) -> str:
    """The tests as one text; `BadReferenceError` where they are no Python, or empty."""
    tests = attempt.reference
    lines = [tests] if isinstance(tests, str) else tests
    if not isinstance(lines, Sequence) or not all(isinstance(line, str) for line in lines):
        raise BadReferenceError(f"the tests are a {type(tests).__name__}, expected text or a list of texts")
    text = "\n".join(lines)
    try:
        empty = not compile(text, "<tests>", "exec", dont_inherit=True).co_names and not text.strip()
    except (SyntaxError, ValueError) as error:
        raise BadReferenceError(f"the tests are no Python: {error}") from error
    if empty:
        raise BadReferenceError("the tests are empty")
    return text


def means() -> Mapping[str, bool]:
    """Which of the kernel's means confine a program on this machine: `namespace`, `landlock`, `seccomp`."""
    said = _run({"program": None, "tests": ""}, seconds=20, memory_mb=512)
    return json.loads(said or b"{}")


def _passes(attempt: Attempt, settings: VerifierSettings) -> bool:
    tests = tests_reference(attempt, settings)
    program = answer_in(attempt.text, settings.answer_in or "code", tag=settings.tag)
    if program is None:
        return False
    token = secrets.token_hex(16)
    job = {"program": program, "tests": tests, "token": token}
    said = _run(job, seconds=settings.timeout_s, memory_mb=settings.memory_mb)
    return said == token.encode()


def _run(job: Mapping[str, object], *, seconds: float, memory_mb: int) -> bytes | None:
    """What the process tells; None where it takes too long."""
    with tempfile.TemporaryDirectory(prefix="solon-tests-", ignore_cleanup_errors=True) as folder:
        limits = {"folder": folder, "seconds": seconds, "memory_mb": memory_mb}
        try:
            return subprocess.run(  # noqa: S603
                [sys.executable, "-I", "-B", str(_SCRIPT)],
                input=json.dumps({**job, **limits}).encode(errors="replace"),
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                cwd=folder,
                env={"PATH": os.defpath, "HOME": folder, "TMPDIR": folder, "OMP_NUM_THREADS": "1"},
                timeout=seconds + _START_S,
                check=False,
            ).stdout
        except subprocess.TimeoutExpired:
            return None


_START_S = 2.0
"""What Python itself may take to start, beside the program."""
