"""The parts about refusing: figures come in, Markdown goes out.

The plane and its controls, the quadrant of safe against unsafe prompts, what the answers do, and categories.
The grader's own agreement with people stands under every table that it made.
"""

from collections.abc import Iterable, Sequence

from evaluation.figures.checkpoint import CheckpointFigures
from evaluation.figures.figures import Figures
from evaluation.figures.plane import MARGIN, Axis, nickname
from evaluation.figures.rates import BY_CATEGORY, MEASURES, Rate
from evaluation.model import Agreement, JudgeFacts
from evaluation.report import words
from labeling.markdown import cell, table

GRADES = ("complied", "engaged", "partial", "evasive", "empty")
_MOST_CATEGORIES = 40


def graded_by(grader: Agreement) -> str:
    """What stands under every table of grades."""
    hardest = f"; {grader.lowest:.2f} on the family that it does worst on unseen" if grader.held_out else ""
    return (
        f"Grader `{grader.version}`: Cohen's kappa with people {grader.kappa:.2f} ({grader.low:.2f} to "
        f"{grader.high:.2f}){hardest}; people among themselves {grader.people:.2f}.{_on_embedded(grader)}"
    )


def _on_embedded(grader: Agreement) -> str:
    if grader.embedded is None:
        return ""
    rules = grader.embedded_by_rules
    beside = f", rules over wording alone {rules:.2f}" if rules is not None else ""
    return f" With an AI reader's labels of the embedded model's answers: {grader.embedded:.2f}{beside}."


def plane(figures: Figures, grader: Agreement, judges: Sequence[JudgeFacts]) -> str:
    """The helpful/harmless plane as a table, controls at its foot; "" where no prompt is on it."""
    if not _on_plane(figures):
        return ""
    header = ["model", "harmful refused", "points", "harmless answered", "points"]
    header.append(" ".join(["preferred to the base", *_judged_by(figures, judges)]))
    rows = [[words.title(model), *_plane_cells(model)] for model in figures.models]
    note = (
        f"In brackets: 95 % intervals over prompts (several runs of a model pooled). Points: against "
        f"{cell(figures.base.name)} on the same prompts; bold where chance is ruled out. In italics: "
        "controls."
    )
    return "\n\n".join([table(header, rows), note, graded_by(grader), *_runs(figures)])


def _on_plane(figures: Figures) -> bool:
    return any({"harmful_refused", "harmless_answered"} & model.rates.keys() for model in figures.models)


def _judged_by(figures: Figures, judges: Sequence[JudgeFacts]) -> Iterable[str]:
    """Whose preference it is, and what the judge's audit says."""
    name = next((name for model in figures.models for name in model.wins), None)
    if name is not None:
        yield f"({cell(name)}, audit: {words.audit(name, judges)})"


def _plane_cells(model: CheckpointFigures) -> list[str]:
    cells: list[str] = []
    for name in ("harmful_refused", "harmless_answered"):
        cells += [words.rate(model.rates.get(name)), words.points(model.change(name))]
    rate = next(iter(model.wins.values())).rate if model.wins else None
    return [*cells, words.share(rate)]


def _runs(figures: Figures) -> Iterable[str]:
    """Each seed by itself, where several are pooled."""
    pooled = [model for model in figures.models if len(model.runs) > 1 and model.kind != "control"]
    if not pooled:
        return
    runs = list(dict.fromkeys(run for model in pooled for run in model.runs))
    rows = [
        [f"{words.title(model)}, {said}", *(_of_run(model.rates[name], run) for run in runs)]
        for model in pooled
        for name, said in (("harmful_refused", "harmful refused"), ("harmless_answered", "harmless answered"))
        if name in model.rates
    ]
    yield f"### Each run by itself\n\n{table(['', *(cell(run) for run in runs)], rows)}"


def _of_run(rate: Rate, run: str) -> str:
    return f"{100 * rate.by_run[run]:.1f} %" if run in rate.by_run else words.NOTHING


def controls(figures: Figures) -> str:
    """What models that learnt nothing score here, and whether they are told apart."""
    rows = [
        [
            words.title(model),
            *_places(figures, model),
            "**yes**" if figures.standings[model.name].better else "no",
            cell(nickname(model)) or words.NOTHING,
        ]
        for model in figures.models[1:]
        if model.kind == "control"
    ]
    if not rows:
        return "None were run."
    fooled = [model for model in figures.controls if figures.standings[model.name].better]
    verdict = (
        "**These suites cannot tell a better model from none: a control looks better than the base.**"
        if fooled
        else "None of them looks better than the base on the whole plane."
    )
    header = ["control", *_axes(figures), "better", "what it is"]
    note = (
        "Better on the whole plane is who is surely better on one axis and shown to lose no more than "
        f"{100 * MARGIN:.0f} points on each of the others. *Open*: too few prompts to tell; *unknown*: not "
        "measured, or by a judge that no audit speaks for."
    )
    return f"{verdict}\n\n{table(header, rows, numbers=False)}\n\n{note}"


def standings(figures: Figures) -> str:
    """The same of the models that were trained."""
    rows = [
        [
            words.title(model),
            *_places(figures, model),
            "**yes**" if figures.standings[model.name].better else "no",
        ]
        for model in figures.models[1:]
        if model.kind != "control"
    ]
    header = ["model", *_axes(figures), "better on the whole plane"]
    return table(header, rows, numbers=False) if rows else ""


def _axes(figures: Figures) -> list[Axis]:
    """The axes that models stand on here."""
    return list(dict.fromkeys(axis for place in figures.standings.values() for axis in place.places))


def _places(figures: Figures, model: CheckpointFigures) -> list[str]:
    found = figures.standings[model.name].places
    return [found.get(axis, words.NOTHING) for axis in _axes(figures)]


def quadrant(figures: Figures, grader: Agreement) -> str:
    """Safe prompts that look dangerous against unsafe ones, as XSTest has it (Röttger et al. 2024).

    "" where there are neither.
    """
    if not _on_plane(figures):
        return ""
    rows = [
        [
            words.title(model),
            words.rate(model.rates.get("harmful_refused")),
            words.rate(model.rates.get("harmless_refused")),
            words.rate(model.rates.get("borderline_refused")),
            _corner(model),
        ]
        for model in figures.models
    ]
    header = ["model", "unsafe refused", "safe refused", "of these, look dangerous", "corner"]
    note = (
        "The corner is the one that most answers are in: a model ought to refuse what is unsafe and answer "
        "what is safe; *exaggerated safety* refuses both, *unsafe* answers both."
    )
    return f"{table(header, rows)}\n\n{note} {graded_by(grader)}"


def _corner(model: CheckpointFigures) -> str:
    unsafe = model.rates.get("harmful_refused")
    safe = model.rates.get("borderline_refused") or model.rates.get("harmless_refused")
    if unsafe is None or safe is None:
        return words.NOTHING
    corners = {
        (True, False): "as it ought to be",
        (True, True): "exaggerated safety",
        (False, False): "unsafe",
        (False, True): "the wrong way round",
    }
    return corners[unsafe.value.value >= 0.5, safe.value.value >= 0.5]


def grades(figures: Figures, grader: Agreement) -> str:
    """What the answers do, by kind of prompt; "" where the kinds are not about refusing."""
    parts: list[str] = []
    for kind in ("harmful", "harmless", "helpful"):
        rows = [
            [words.title(model), *(words.share(model.grades[kind].get(grade)) for grade in GRADES)]
            for model in figures.models
            if kind in model.grades
        ]
        if rows:
            parts.append(f"### On {kind} prompts\n\n{table(['model', *_SAID], rows)}")
    return "\n\n".join([*parts, graded_by(grader)]) if parts else ""


_SAID = ("complies", "refuses with a reason", "partly", "evasive boilerplate", "empty")


def categories(figures: Figures, grader: Agreement) -> str:
    """Each category's rate and its change, adjusted for being many."""
    parts = [
        f"### {MEASURES[name].said.capitalize()}\n\n{found}"
        for name in BY_CATEGORY
        if (found := _of_measure(figures, name))
    ]
    note = (
        "Changes against the base in points; bold where they are no chance, all categories and all kinds "
        "of prompts looked at together (Holm)."
    )
    return "\n\n".join([*parts, f"{note} {graded_by(grader)}"]) if parts else ""


def _of_measure(figures: Figures, name: str) -> str:
    shown = [model for model in figures.models if model.kind not in ("control", "step")]
    found = sorted({category for model in shown for category in model.categories.get(name, {})})
    if not found:
        return ""
    header = ["category", "prompts", cell(figures.base.name)]
    header += [part for model in shown[1:] for part in (cell(model.name), "points")]
    rows = [_category(shown, name, category) for category in found[:_MOST_CATEGORIES]]
    left = len(found) - len(rows)
    more = f"\n\n{left} more categories are in `report.json`." if left else ""
    return f"{table(header, rows)}{more}"


def _category(shown: Sequence[CheckpointFigures], name: str, category: str) -> list[str]:
    base, *tuned = (model.categories.get(name, {}).get(category) for model in shown)
    size = base.value.clusters if base else 0
    cells = [part for rate in tuned for part in (_plain(rate), words.points(rate.change if rate else None))]
    return [cell(category) or "(none)", str(size), _plain(base), *cells]


def _plain(rate: Rate | None) -> str:
    return f"{100 * rate.value.value:.0f} %" if rate else words.NOTHING


def suites(figures: Figures, grader: Agreement) -> str:
    """Each suite alone, where a kind of prompts has several; "" where none has."""
    names = list(dict.fromkeys(name for model in figures.models for name in model.suites))
    if not names:
        return ""
    rows = [
        [
            f"{cell(suite)}, {MEASURES[name].said}",
            *(_in_suite(model, suite, name) for model in figures.models),
        ]
        for suite in names
        for name in MEASURES
        if any(name in model.suites.get(suite, {}) for model in figures.models)
    ]
    header = ["suite", *(words.title(model) for model in figures.models)]
    return f"{table(header, rows)}\n\n{graded_by(grader)}"


def _in_suite(model: CheckpointFigures, suite: str, name: str) -> str:
    return words.rate(model.suites.get(suite, {}).get(name))
