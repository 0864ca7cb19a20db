"""The report: everything that was recorded comes in; `report.md`, `.html`, `.json` and pictures go out.

The end of the data's way. A first paragraph in plain words, then eleven parts, how unsure they are, what
should make a reader doubt them, and unselected transcripts. Text of models is data here: it can't forge a
heading or run.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from evaluation.figures.constitutional import Constitutional
from evaluation.figures.figures import Figures, figures
from evaluation.model import Agreement, Evaluation, ModelResult
from evaluation.report import checked, feedback, harm, preference, reading, record, safety, transcripts
from evaluation.report.distrust import reasons_to_distrust
from evaluation.report.opening import opening
from evaluation.report.plot import PLANE, REWARDS, ROUNDS, pictures
from labeling.html import page
from labeling.markdown import cell, facts_table
from pipeline.disk import write_whole


@dataclass(frozen=True, slots=True)
class Report:
    """A report that is computed and not yet written."""

    evaluation: Evaluation
    figures: Figures
    constitutional: Constitutional
    grader: Agreement
    doubts: tuple[str, ...]
    drawn: tuple[str, ...]

    @property
    def shown(self) -> list[ModelResult]:
        return _shown(self.evaluation, self.figures)

    @property
    def opening(self) -> str:
        return opening(self.figures, self.evaluation.judges, grader=self.grader, doubts=len(self.doubts))


def report(evaluation: Evaluation, grader: Agreement, constitutional: Constitutional | None = None) -> Report:
    """Compute everything. `ValueError` where there are no results, or two have one name."""
    found = figures(evaluation)
    doubts = reasons_to_distrust(found, evaluation.judges, grader=grader)
    drawn = transcripts.draw(_shown(evaluation, found))
    return Report(evaluation, found, constitutional or Constitutional(), grader, tuple(doubts), drawn)


def _shown(evaluation: Evaluation, found: Figures) -> list[ModelResult]:
    """The models whose transcripts stand side by side: the base and what was made of it."""
    names = {found.base.name, *(model.name for model in found.trained)}
    return [result for result in evaluation.results if result.name in names]


def write_report(made: Report, out: Path) -> Path:
    """Write the report's files into `out` and return the path of `report.md`, which is written last.

    Each file appears whole or not at all.
    """
    out.mkdir(parents=True, exist_ok=True)
    shown = pictures(made.figures, made.constitutional.revisions)
    for name, picture in shown.items():
        write_whole(out / name, picture)
    write_whole(out / "report.json", (json.dumps(as_json(made), indent=2, allow_nan=False) + "\n").encode())
    html = page(
        markdown(made, shown, whole=False),
        title="Before and after",
        pictures=shown,
        end=transcripts.page(made.shown, made.drawn, made.evaluation.scores),
    )
    write_whole(out / "report.html", html.encode())
    write_whole(out / "report.md", markdown(made, shown, whole=True).encode())
    return out / "report.md"


def as_json(made: Report) -> dict[str, object]:
    """`report.json`: lists, mappings, numbers, text and null."""
    found, recorded = made.figures, made.evaluation
    return {
        "schema_version": record.SCHEMA_VERSION,
        "facts": dict(recorded.facts),
        "opening": made.opening,
        "grader": record.plain(made.grader),
        "judges": [asdict(judge) for judge in recorded.judges],
        "models": record.models_json(found, recorded),
        "ratings": {
            judge: {name: record.plain(rating) for name, rating in each.items()}
            for judge, each in found.ratings.items()
        },
        "curves": [record.plain(curve) for curve in found.curves],
        "revisions": record.plain(made.constitutional.revisions) if made.constitutional.revisions else None,
        "principles": {
            name: [record.plain(one) for one in moved]
            for name, moved in made.constitutional.principles.items()
        },
        "distrust": list(made.doubts),
        "transcripts": {"seed": transcripts.SEED, "ids": list(made.drawn)},
    }


def markdown(made: Report, shown: Mapping[str, bytes], *, whole: bool) -> str:
    """The report's text; `whole` with the transcripts, which a page has side by side."""
    sections = [
        "# Before and after",
        made.opening,
        _picture(PLANE, "Harmful prompts refused over harmless prompts answered, and what answers do", shown),
        *(f"## {number}. {title}\n\n{body}" for number, (title, body) in enumerate(_parts(made, shown), 1)),
        f"## What to distrust\n\n{_distrust(made.doubts)}",
        _facts(made),
        f"## {len(made.drawn)} unselected transcripts\n\n{_drawn_how(made)}",
        transcripts.markdown(made.shown, made.drawn, made.evaluation.scores) if whole else "",
    ]
    return "\n\n".join(section for section in sections if section) + "\n"


def _parts(made: Report, shown: Mapping[str, bytes]) -> list[tuple[str, str]]:
    """The parts that a complete report has, in their order; the transcripts are the last one."""
    found, grader, judges = made.figures, made.grader, made.evaluation.judges
    parts: list[tuple[str, Callable[[], str]]] = [
        (
            "Helpful and harmless",
            lambda: _both(safety.plane(found, grader, judges), safety.standings(found)),
        ),
        (
            "Safe against unsafe prompts",
            lambda: _both(safety.quadrant(found, grader), harm.strongreject(found, judges)),
        ),
        ("What the answers do", lambda: safety.grades(found, grader)),
        ("By category", lambda: safety.categories(found, grader)),
        ("Helpfulness", lambda: preference.helpfulness(found, judges)),
        ("Right answers", lambda: checked.accuracy(found)),
        ("Length", lambda: reading.lengths(found)),
        ("Rewards over the way gone", lambda: preference.rewards(found)),
        ("Collapse", lambda: reading.collapse(found)),
        ("Controls", lambda: safety.controls(found)),
        ("Critique and revision", lambda: feedback.rounds(made.constitutional.revisions, grader)),
        ("Principles", lambda: feedback.principles(made.constitutional.principles)),
        ("By suite", lambda: safety.suites(found, grader)),
    ]
    pictured = {
        "Rewards over the way gone": _picture(REWARDS, "Rewards over sqrt(KL), and Elo", shown),
        "Critique and revision": _picture(ROUNDS, "Harmlessness by revision round", shown),
    }
    bodies = [(title, body()) for title, body in parts]
    return [(title, _both(pictured.get(title, ""), body)) for title, body in bodies if body]


def _both(*parts: str) -> str:
    """Those that have something to say, one below the other."""
    return "\n\n".join(filter(None, parts))


def _picture(name: str, said: str, shown: Mapping[str, bytes]) -> str:
    return f"![{said}]({name})" if name in shown else ""


def _facts(made: Report) -> str:
    base = made.figures.base
    counts = ", ".join(f"{text.statistics.n // len(base.runs)} {kind}" for kind, text in base.texts.items())
    return f"## What was run\n\n{facts_table({**made.evaluation.facts, 'held-out prompts': counts})}"


def _distrust(doubts: Sequence[str]) -> str:
    always = "Each model answered each prompt once a run; another sampling seed gives other numbers."
    return "\n".join(f"- {cell(doubt)}" for doubt in (*doubts, always))


def _drawn_how(made: Report) -> str:
    who = ", ".join(cell(result.name) for result in made.shown)
    first = " Of several runs the first." if any(len(result.runs) > 1 for result in made.shown) else ""
    return f"Drawn by a generator seeded with {transcripts.SEED}, none left out: {who}.{first}"
