"""What tests of the audit share: pairs of which people chose the GOOD one, and a judge asked about them."""

import re
from collections.abc import Sequence
from pathlib import Path

from labeling_fixtures import CONSTITUTION, asked

from engine.scripted import ScriptedEngine, Weigh
from labeling.audit.ask import Audited, Auditor, audit_rows
from labeling.audit.model import HumanPair
from labeling.judge import Judge
from labeling.settings import LabelingSettings
from pipeline.context import Context
from pipeline.journal import Journal
from pipeline.runner import collect, run_rows
from prompts.message import Message, Prompt
from prompts.render import Family, Prompts


def pairs(count: int, *, kind: str = "", source: str = "file") -> list[HumanPair]:
    """Pairs of which GOOD is people's choice; every second one is the longer."""
    return [
        HumanPair(
            f"{source}/{number:03}",
            f"prompt-{source}-{number}",
            (Message("user", f"Question {number}?"),),
            f"GOOD answer {number}" + " indeed" * (number % 2),
            f"BAD answer {number}" + " at all" * (1 - number % 2),
            kind=kind,
            source=source,
        )
        for number in range(count)
    ]


async def audited(
    engine: ScriptedEngine,
    folder: Path,
    given: Sequence[HumanPair],
    *,
    probed: int = 0,
    family: Family = "chat",
    **settings: object,
) -> list[Audited]:
    """The engine's answers, by a fresh journal, as the judge of every role."""
    judge = Judge(CONSTITUTION, Prompts(family), LabelingSettings.model_validate(settings))
    with Journal(folder / "journal.log") as journal:
        context = Context(dict.fromkeys(judge.settings.judges, engine), journal, seed=1)
        outcomes = await collect(run_rows(Auditor(judge), audit_rows(given, probed=probed), context))
    return [each for outcome in outcomes if outcome.record is not None for each in outcome.record]


def truthful(confidence: float = 0.9) -> Weigh:
    """A judge that does as the prompt says: it reads what stands between the marks, as text, and no more.

    It names the letter of the response with the word GOOD in it; whatever else a response says is text.
    """

    def weigh(prompt: Prompt, labels: tuple[str, ...]) -> dict[str, float]:
        texts = responses(asked(prompt))
        (good,) = (letter for letter, text in texts.items() if "GOOD" in text)
        return {letter: confidence if letter == good else 1 - confidence for letter in labels}

    return weigh


def responses(said: str) -> dict[str, str]:
    """The two responses by letter, found by the call's own mark alone."""
    (mark,) = set(re.findall(r"two marks with (\w+)", said))
    found = re.findall(rf"\(([AB])\) <response {mark}>\n(.*?)\n</response {mark}>", said, re.DOTALL)
    return dict(found)
