"""The part about answers that a program checked: figures come in, Markdown goes out."""

from collections.abc import Iterator, Mapping

from evaluation.figures.checkpoint import CheckpointFigures
from evaluation.figures.figures import Figures
from evaluation.figures.rates import ACCURACY, Rate
from evaluation.report import words
from labeling.markdown import cell, table


def accuracy(figures: Figures) -> str:
    """The share of right answers, over all and suite by suite; "" where nothing was checked."""
    rows = [
        [words.title(model), said, words.rate(rate), words.points(rate.change), _of_runs(model, rate)]
        for model in figures.models
        for said, rate in _shares(model).items()
    ]
    if not rows:
        return ""
    header = ["model", "prompts", "right", "points", "each run by itself"]
    if not any(len(model.runs) > 1 for model in figures.models):
        header, rows = header[:-1], [row[:-1] for row in rows]
    note = (
        "Right: the check that the recipe names accepts the answer; one that has no answer where the check "
        "looks for it is wrong. In brackets: 95 % intervals over prompts. Points: against "
        f"{cell(figures.base.name)} on the same prompts; bold where chance is ruled out. In italics: "
        "controls, whose right answers are given away."
    )
    return f"{table(header, rows)}\n\n{note}"


def _shares(model: CheckpointFigures) -> Mapping[str, Rate]:
    """What stands in its rows: all prompts, and each suite's where there are several."""
    found = {"all": model.rates[ACCURACY]} if ACCURACY in model.rates else {}
    return found | {
        cell(suite): rates[ACCURACY] for suite, rates in model.suites.items() if ACCURACY in rates
    }


def _of_runs(model: CheckpointFigures, rate: Rate) -> str:
    return ", ".join(_of_run(rate, run) for run in model.runs) if len(model.runs) > 1 else words.NOTHING


def _of_run(rate: Rate, run: str) -> str:
    return f"{100 * rate.by_run[run]:.1f} %" if run in rate.by_run else words.NOTHING


def distrust(figures: Figures) -> Iterator[str]:
    """Why the shares of right answers may say little."""
    real = [model for model in figures.models if model.kind != "control" and ACCURACY in model.rates]
    if real and not any(model.rates[ACCURACY].value.value for model in real):
        yield (
            "No answer of any model is right: the prompts are too hard for all of them, or answers do not "
            "stand where the check looks (a suite's `verifier.answer_in`; its `append` can ask for it)."
        )
    for control in figures.controls:
        found = control.rates.get(ACCURACY)
        if found and found.value.value:
            yield (
                f"The control “{control.name}” is right in {100 * found.value.value:.0f} % of what a program "
                "checks: so much is given away."
            )
