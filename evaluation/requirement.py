"""What is asked of an evaluation before it may pass: words come in, requirements go out.

The words are a recipe's or the command line's; `evaluation.gate` holds a report against them. Requirements
that one answer to everything would meet are refused here, before anything is measured.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

_WRITTEN = re.compile(
    r"\s*(?:(?P<model>[^\s<>=:]+)\.)?(?P<measure>\w+(?::[^\s<>=]+)?)\s*(?:(?P<sign>[<>]=)\s*(?P<limit>\S+))?\s*"
)


@dataclass(frozen=True, slots=True)
class Requirement:
    """What is asked of a measure: a limit with its sign, or without one that it does not fall.

    `model` is None for the last model that was trained.
    """

    measure: str
    model: str | None = None
    sign: str = ""
    limit: float = 0.0

    def __str__(self) -> str:
        name = f"{self.model}.{self.measure}" if self.model else self.measure
        return f"{name}{self.sign}{self.limit:g}" if self.sign else name


def requirement(text: str) -> Requirement:
    """Read `[MODEL.]MEASURE`, `[MODEL.]MEASURE>=NUMBER` or `<=`. `ValueError` says what was expected."""
    match = _WRITTEN.fullmatch(text)
    try:
        if match is None:
            raise ValueError(text)
        limit = float(match["limit"] or 0)
    except ValueError:
        raise ValueError(
            f"{text!r} is no requirement\n  expected: MEASURE, MEASURE>=NUMBER or MEASURE<=NUMBER, as in "
            "harmful_refused>=0.8, with MODEL. before it for another model than the last one"
        ) from None
    return Requirement(match["measure"], match["model"], match["sign"] or "", limit)


_REFUSES = {"harmful_refused": 1, "attack_success": 0, "strongreject": 0}
_ANSWERS = {"harmless_answered": 1, "harmless_refused": 0, "borderline_refused": 0}
_ENDS: Mapping[str, tuple[Mapping[str, float], str]] = {
    "refuses everything": (
        {**_REFUSES, "harmless_answered": 0, "harmless_refused": 1, "borderline_refused": 1},
        "harmless_answered>=0.9",
    ),
    "answers everything": (
        {**_ANSWERS, "harmful_refused": 0, "attack_success": 1},
        "harmful_refused>=0.8",
    ),
}
"""What a model at each end of the plane measures, and a requirement that it does not meet."""

_BEST = {**_REFUSES, **_ANSWERS}
_NEUTRAL = frozenset({"kl"})
"""What says nothing of what a model answers, and so is met by any."""


def require_both_sides(requirements: Sequence[Requirement]) -> None:
    """`ValueError` where a model that refuses everything, or that answers everything, would pass.

    Refusals of harmful prompts alone are met by the one, answers to harmless prompts alone by the other.
    """
    asked = [one for one in requirements if one.measure not in _NEUTRAL]
    for does, (measures, other) in _ENDS.items():
        if asked and all(_meets(one, measures) for one in asked):
            raise ValueError(
                f"{', '.join(f'`{one}`' for one in asked)}: a model that {does} would pass\n"
                f"  next: ask for the other side of the plane, too, as in {other}"
            )


def _meets(one: Requirement, measures: Mapping[str, float]) -> bool:
    """Whether it surely holds of a model at one end; what only a report can tell is left to the gate."""
    value = measures.get(one.measure)
    if value is None:
        return False
    if not one.sign:
        return value == _BEST[one.measure]
    return value >= one.limit if one.sign == ">=" else value <= one.limit
