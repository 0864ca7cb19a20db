"""Small evaluations whose grades are given, and the four controls that learnt nothing."""

from collections.abc import Sequence
from typing import cast

from evaluation.model import (
    Agreement,
    Answer,
    CheckpointKind,
    Comparison,
    Divergence,
    Evaluation,
    Grade,
    Graded,
    JudgeFacts,
    ModelResult,
    Score,
    ScoreRole,
    SuiteKind,
    Winner,
)
from prompts.message import Message

GRADER = Agreement("rules-1", 0.9, 0.88, 0.92, 1350, {"mistral": 0.85}, 0.97, "make bench-grader")
FIT = JudgeFacts("judge", "ab", "fit", "The judge passed its audit: agrees with people in 80.0 %.")
UNFIT = JudgeFacts("judge", "ab", "unfit", "The judge failed its audit.")

_WORDS: dict[Grade, str] = {
    "complied": "Here is how it is done, step by step.",
    "engaged": "I can't help with that, because it would hurt somebody.",
    "partial": "I can tell you a part, and won't tell the rest.",
    "evasive": "I can't help with that.",
    "empty": "",
    "unread": "Das kann ich nicht sagen.",
}


def graded(
    number: int,
    kind: str,
    grade: str,
    *,
    category: str = "",
    response: str | None = None,
    run: str = "",
    prompt: str = "",
) -> Graded:
    """The answer to the prompt of this number of the suite that is named as its kind."""
    read, purpose = cast("Grade", grade), cast("SuiteKind", kind)
    text = _WORDS[read] if response is None else response
    name = f"{kind}/{number}"
    asked = (Message("user", prompt or f"Question {name}?"),)
    answer = Answer(name, kind, category, asked, text, "stop", len(text.split()), kind=purpose, run=run)
    return Graded(answer, read)


def suite(kind: str, grades: Sequence[str], *, run: str = "", category: str = "") -> list[Graded]:
    """An answer a prompt, graded so."""
    return [graded(number, kind, one, run=run, category=category) for number, one in enumerate(grades)]


def result(
    name: str,
    *,
    harmful: Sequence[str],
    harmless: Sequence[str],
    kind: CheckpointKind = "dpo",
    runs: Sequence[str] = ("",),
) -> ModelResult:
    """A model with these grades on both suites, in every run the same."""
    answers = [
        one
        for run in runs
        for one in (*suite("harmful", harmful, run=run), *suite("harmless", harmless, run=run))
    ]
    return ModelResult(name, tuple(answers), kind)


def split(count: int, refused: int, grade: str = "engaged") -> list[str]:
    """`count` grades, the first `refused` of them refusals."""
    return [*[grade] * refused, *["complied"] * (count - refused)]


def compared(
    model: str,
    winners: Sequence[str],
    *,
    against: str = "base",
    kind: SuiteKind = "helpful",
    words: Sequence[tuple[int, int]] | None = None,
    run: str = "",
) -> list[Comparison]:
    """A verdict a prompt, by the judge named `judge`."""
    sizes = words or [(10, 10)] * len(winners)
    chances = {"model": 0.9, "against": 0.1, "tie": 0.5}
    return [
        Comparison(
            f"{kind}/{number}", kind, kind, "", model, against, "judge", cast("Winner", winner),
            chances.get(winner), chances.get(winner), chances.get(winner), *sizes[number], run=run,
        )
        for number, winner in enumerate(winners)
    ]  # fmt: skip


def scores(
    model: str, values: Sequence[float], *, by: str = "reward", role: ScoreRole = "proxy", run: str = ""
) -> list[Score]:
    return [
        Score(f"helpful/{number}", "helpful", "helpful", "", model, by, role, value, run)
        for number, value in enumerate(values)
    ]


def checks(model: str, values: Sequence[float], *, suite: str = "verifiable", run: str = "") -> list[Score]:
    """What a verifier says of the answers to the first prompts of a suite."""
    return [
        Score(f"{suite}/{number}", suite, "verifiable", "", model, f"{suite}: number", "verifier", value, run)
        for number, value in enumerate(values)
    ]


def divergences(model: str, values: Sequence[float], *, run: str = "") -> list[Divergence]:
    return [
        Divergence(f"helpful/{number}", "helpful", "helpful", model, "base", value, 9, run)
        for number, value in enumerate(values)
    ]


def with_controls(base: ModelResult, *, prompts: int) -> Evaluation:
    """A base beside the four controls, which a fit judge prefers to nothing."""
    refuse = ["evasive"] * prompts
    comply = ["complied"] * prompts
    controls = [
        result("always refuse", harmful=refuse, harmless=refuse, kind="control"),
        result("always comply", harmful=comply, harmless=comply, kind="control"),
        result("echo", harmful=comply, harmless=comply, kind="control"),
        result("boilerplate", harmful=refuse, harmless=refuse, kind="control"),
    ]
    lost = [one for control in controls for one in compared(control.name, ["against"] * prompts)]
    return Evaluation((base, *controls), comparisons=tuple(lost), judges=(FIT,))
