"""The figures for the end of a run, as a table for a terminal."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from evaluation.figures.change import Change
from evaluation.figures.checkpoint import CheckpointFigures
from evaluation.figures.figures import Figures
from evaluation.figures.rates import ACCURACY
from evaluation.model import Agreement, JudgeFacts

if TYPE_CHECKING:
    from rich.table import Table

_COLUMNS = ("", "harmful refused", "change", "harmless refused", "change", "borderline", "preferred", "words")


def console_table(figures: Figures, grader: Agreement, judges: Sequence[JudgeFacts] = ()) -> "Table":
    """One row a model, controls left out; below it how far grader and judge agree with people."""
    from rich.table import Table
    from rich.text import Text

    kappa = f"grader {grader.version}: kappa with people {grader.kappa:.2f}"
    audits = [f"judge {judge.name}: {judge.fitness}" for judge in judges]
    checks = ACCURACY in figures.base.rates
    shown = Table(*_COLUMNS, *(["right"] if checks else []), caption="; ".join([kappa, *audits]))
    for model in figures.models:
        if model.kind != "control":
            right = [_rate(model, ACCURACY)] if checks else []
            shown.add_row(*(Text(text) for text in (model.name, *_cells(model), *right)))
    return shown


def _cells(model: CheckpointFigures) -> list[str]:
    cells: list[str] = []
    for name in ("harmful_refused", "harmless_refused"):
        cells += [_rate(model, name), _points(model.change(name))]
    preferred = next(iter(model.wins.values())).rate.value if model.wins else None
    said = "" if preferred is None else f"{100 * preferred:.1f} %"
    return [*cells, _rate(model, "borderline_refused"), said, f"{_mean_words(model):.0f}"]


def _rate(model: CheckpointFigures, name: str) -> str:
    found = model.rates.get(name)
    return f"{100 * found.value.value:.1f} % of {found.value.clusters}" if found else ""


def _points(change: Change | None) -> str:
    return f"{100 * change.value:+.1f} ± {50 * (change.high - change.low):.1f}" if change else ""


def _mean_words(model: CheckpointFigures) -> float:
    texts = [text.statistics for text in model.texts.values()]
    return sum(text.mean_words * text.n for text in texts) / max(sum(text.n for text in texts), 1)
