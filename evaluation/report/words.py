"""Figures in words, the same everywhere in a report: estimates and changes come in, Markdown goes out."""

from collections.abc import Sequence

from evaluation.figures.change import Change
from evaluation.figures.checkpoint import CheckpointFigures
from evaluation.figures.rates import Rate
from evaluation.model import JudgeFacts
from labeling.audit.estimate import Estimate
from labeling.markdown import cell

NOTHING = "–"


def share(found: Estimate | None) -> str:
    """A share in percent with its interval."""
    if found is None:
        return NOTHING
    return f"{100 * found.value:.1f} % ({100 * found.low:.1f} to {100 * found.high:.1f})"


def points(found: Change | None) -> str:
    """A change in points with its interval; bold where it is no chance."""
    if found is None:
        return NOTHING
    said = f"{100 * found.value:+.1f} ({100 * found.low:+.1f} to {100 * found.high:+.1f})"
    return f"**{said}**" if found.sure else said


def number(found: Estimate | None, digits: int = 2, *, sign: bool = False) -> str:
    """Any figure with its interval."""
    if found is None:
        return NOTHING
    mark = "+" if sign else ""
    value, low, high = (f"{one:{mark}.{digits}f}" for one in (found.value, found.low, found.high))
    return f"{value} ({low} to {high})"


def rate(found: Rate | None) -> str:
    return share(found.value) if found else NOTHING


def probability(p: float) -> str:
    return "<0.001" if p < 0.001 else f"{p:.3f}"


def title(model: CheckpointFigures) -> str:
    """A model's name for a table, controls set apart."""
    return f"*{cell(model.name)}*" if model.kind == "control" else cell(model.name)


def audit(name: str, judges: Sequence[JudgeFacts]) -> str:
    """What a judge's audit says, in a word or two."""
    known = {judge.name: judge.fitness for judge in judges}
    said = {"fit": "passed", "unfit": "**failed**", "unaudited": "**not audited**"}
    return said[known.get(name, "unaudited")]


def listed(words: list[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    return " and ".join(filter(None, [", ".join(words[:-1]), *words[-1:]]))
