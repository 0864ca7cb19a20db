"""What is asked of an evaluation before it may pass: words come in, requirements go out.

The words are a recipe's or the command line's; `evaluation.gate` holds a report against them.
"""

import re
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
