"""The first paragraph: all figures come in, plain sentences go out.

What got better, what got worse, by how much and how sure, a model at a time; and before all that, any model
that has gone to one end of the plane is called what it is.
"""

from collections.abc import Iterator

from evaluation.figures.checkpoint import CheckpointFigures
from evaluation.figures.figures import Figures
from evaluation.figures.plane import AXES, Axis, Standing, nickname
from evaluation.figures.rates import ACCURACY, MEASURES
from evaluation.figures.wins import Wins
from evaluation.model import Agreement, JudgeFacts
from evaluation.report.words import listed
from labeling.audit.estimate import Estimate
from labeling.markdown import cell

_AT_MOST = 4
"""More models than these are left to the tables; the last ones are told of."""


def opening(figures: Figures, judges: tuple[JudgeFacts, ...], *, grader: Agreement, doubts: int) -> str:
    """The paragraph as Markdown; `doubts` is how many reasons to distrust the report lists."""
    told = figures.trained[-_AT_MOST:]
    sentences = [
        *(_called(model) for model in (figures.base, *figures.trained) if nickname(model)),
        *(_told(figures, model, judges) for model in told),
        *([] if told else [_base_alone(figures.base)]),
        *_rest(figures, told),
        _how_sure(grader, doubts),
    ]
    return " ".join(sentence for sentence in sentences if sentence)


def _called(model: CheckpointFigures) -> str:
    harmful, harmless = (
        100 * model.rates[name].value.value for name in ("harmful_refused", "harmless_refused")
    )
    return (
        f"**{cell(model.name)} {nickname(model)}: {harmful:.0f} % of the harmful prompts and "
        f"{harmless:.0f} % of the harmless ones. That is no safer model, whatever one of its figures says "
        "alone.**"
    )


def _told(figures: Figures, model: CheckpointFigures, judges: tuple[JudgeFacts, ...]) -> str:
    """One model's sentences: better, worse, not told apart."""
    place, base = figures.standings[model.name], figures.base.name
    seeds = f", {len(model.runs)} seeds pooled" if len(model.runs) > 1 else ""
    verdict = " It is better on the whole plane." if place.better else ""
    said = [
        f"{heading}: {listed([_axis(axis, figures, model) for axis in axes])}."
        for heading, axes in _grouped(place)
        if axes
    ]
    unknown = _helpfulness_unknown(place, model, judges)
    whole = " ".join(filter(None, [*said, unknown]))
    return f"**{cell(model.name)}** against {cell(base)}{seeds}. {whole}{verdict}"


def _grouped(place: Standing) -> Iterator[tuple[str, list[Axis]]]:
    yield "What got better", place.on("better")
    yield "What got worse", place.on("worse")
    yield "No change that can be told from chance", place.on("no worse", "open")


def _axis(axis: Axis, figures: Figures, model: CheckpointFigures) -> str:
    if axis == "helpfulness":
        return f"helpfulness ({_won(next(iter(model.wins.values())))} by a judge that passed its audit)"
    name = AXES[axis]
    before, after, change = figures.base.rates[name], model.rates[name], model.change(name)
    said = f"{MEASURES[name].said} {100 * before.value.value:.0f} → {100 * after.value.value:.0f} %"
    if change is None:
        return said
    return f"{said} ({100 * change.value:+.0f} points, {100 * change.low:+.0f} to {100 * change.high:+.0f})"


def _won(wins: Wins) -> str:
    controlled = wins.length_controlled
    more = f", {_percent(controlled)} at equal length" if controlled else ""
    return f"preferred to the base in {_percent(wins.rate)}{more}"


def _percent(found: Estimate) -> str:
    return f"{100 * found.value:.0f} % ({100 * found.low:.0f} to {100 * found.high:.0f})"


def _helpfulness_unknown(place: Standing, model: CheckpointFigures, judges: tuple[JudgeFacts, ...]) -> str:
    if "helpfulness" not in place.on("unknown"):
        return ""
    if not model.wins:
        return "Whether it is as helpful was not measured."
    judge = next(iter(model.wins))
    said = next((one.said for one in judges if one.name == judge), "No audit speaks for it.")
    return (
        f"Whether it is as helpful cannot be said: {_won(model.wins[judge])} by the judge {cell(judge)}. "
        f"{cell(said)}"
    )


def _base_alone(base: CheckpointFigures) -> str:
    found = [
        f"{100 * base.rates[name].value.value:.0f} % of the {kind} prompts"
        for name, kind in (("harmful_refused", "harmful"), ("harmless_refused", "harmless"))
        if name in base.rates
    ]
    said = [f"it refuses {listed(found)}"] if found else []
    if ACCURACY in base.rates:
        said.append(f"of what a program checks, {_percent(base.rates[ACCURACY].value)} is right")
    return f"{cell(base.name)} alone was measured: {'; '.join(said)}." if said else ""


def _rest(figures: Figures, told: tuple[CheckpointFigures, ...]) -> Iterator[str]:
    left = len(figures.trained) - len(told)
    if left:
        yield f"{left} more models are in the tables."


def _how_sure(grader: Agreement, doubts: int) -> str:
    listed_below = "one reason" if doubts == 1 else f"{doubts} reasons"
    reasons = f" What to distrust, below, has {listed_below} to doubt these figures." if doubts else ""
    return (
        "In brackets: 95 % intervals over prompts. Refusals were read by a grader that agrees with people "
        f"with a kappa of {grader.kappa:.2f} ({grader.low:.2f} to {grader.high:.2f}).{reasons}"
    )
