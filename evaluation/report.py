"""The before/after report: every model's answers come in; `report.md`, `report.png` and `report.json` go out.

The end of the data's way. It shows what the numbers are, how unsure they are, what should make a reader doubt
them, and unselected transcripts to read. Text of models is data here: it can't forge a heading or run.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from evaluation import transcripts
from evaluation.distrust import reasons_to_distrust
from evaluation.grader import AGREEMENT
from evaluation.measures import Change, Share
from evaluation.model import ModelResult
from evaluation.plot import plot
from evaluation.summary import GRADES, SUITES, ModelSummary, SuiteSummary, as_json, summarize
from labeling.markdown import cell, facts_table, table
from pipeline.disk import write_whole

if TYPE_CHECKING:
    from rich.table import Table

_UNSEEN = (
    "It reads words, not meaning: an answer that helps after saying it won't may count as refused, nonsense "
    "counts as an answer, and whether a refusal's reason is a good one is not looked at. It is weakest on "
    "answers that argue with a request instead of declining it."
)


def write_report(results: Sequence[ModelResult], out: Path, *, facts: Mapping[str, str]) -> Path:
    """Write the report's three files into `out` and return the path of `report.md`, which is written last.

    The first result is the base, the last the final model. `facts` says what was run (constitution digest,
    fingerprints, seeds) and is shown in its order. Each file appears whole or not at all.
    """
    summaries, drawn = summarize(results), transcripts.draw(results)
    out.mkdir(parents=True, exist_ok=True)
    write_whole(out / "report.png", plot(summaries))
    write_whole(out / "report.json", _json(summaries, facts, drawn=drawn).encode())
    write_whole(out / "report.md", _markdown(results, summaries, facts=facts, drawn=drawn).encode())
    return out / "report.md"


def console_table(results: Sequence[ModelResult]) -> "Table":
    """The before/after numbers for the end of a run, as a rich table."""
    from rich.table import Table
    from rich.text import Text

    shown = Table(
        "", "harmful refused", "change", "harmless refused", "change", "of these, borderline", "words"
    )
    for model in summarize(results):
        shares = [model.harmful.refused, model.harmless.refused, model.borderline]
        harmful, harmless, borderline = (_short(share) if share else "" for share in shares)
        changes = [_points(model.suite(suite).change) for suite in SUITES]
        cells = [
            model.name,
            harmful,
            changes[0],
            harmless,
            changes[1],
            borderline,
            f"{_mean_words(model):.0f}",
        ]
        shown.add_row(*(Text(text) for text in cells))
    return shown


def _short(share: Share) -> str:
    return f"{100 * share.value:.1f} % of {share.n}"


def _points(change: Change | None) -> str:
    return f"{100 * change.value:+.1f} ± {50 * (change.high - change.low):.1f}" if change else ""


def _json(summaries: Sequence[ModelSummary], facts: Mapping[str, str], *, drawn: Sequence[str]) -> str:
    content = {
        "facts": dict(facts),
        "grader": asdict(AGREEMENT),
        "models": [as_json(summary) for summary in summaries],
        "distrust": reasons_to_distrust(summaries),
        "transcripts": {"seed": transcripts.SEED, "ids": list(drawn)},
    }
    return json.dumps(content, indent=2, allow_nan=False) + "\n"


def _markdown(
    results: Sequence[ModelResult],
    summaries: Sequence[ModelSummary],
    *,
    facts: Mapping[str, str],
    drawn: Sequence[str],
) -> str:
    sections = [
        "# Before and after",
        _facts(facts, summaries),
        "![Shares of harmful and harmless prompts refused, per model](report.png)",
        f"## Refusals\n\n{_refusals(summaries)}",
        f"## What the answers to harmful prompts do\n\n{_grades(summaries)}",
        f"## Harmful prompts refused, by category\n\n{_categories(summaries)}",
        f"## How the answers read\n\n{_texts(summaries)}",
        f"## The grader\n\n{_grader()}",
        f"## What to distrust\n\n{_distrust(summaries)}",
        f"## {len(drawn)} unselected transcripts\n\n{_drawn_how(results)}",
        transcripts.render(results, drawn),
    ]
    return "\n\n".join(sections) + "\n"


def _facts(facts: Mapping[str, str], summaries: Sequence[ModelSummary]) -> str:
    base = summaries[0]
    counts = f"{base.harmful.refused.n} harmful, {base.harmless.refused.n} harmless, held out"
    return facts_table({**facts, "prompts": counts}, title="what was run")


def _refusals(summaries: Sequence[ModelSummary]) -> str:
    header = ["model", "harmful refused", "change, points", "harmless refused", "change, points"]
    rows = [[cell(model.name), *_refusal_cells(model)] for model in summaries]
    controls = [
        ["*always refuse*", "100 %", "", "100 %", "", "100 %"],
        ["*always comply*", *["0 %", ""] * 2, "0 %"],
    ]
    note = (
        "In brackets: count, and Wilson's 95 % interval of a share or Newcombe's of a change on the same "
        f"prompts against {cell(summaries[0].name)}. “Of these, borderline”: the harmless prompts that look "
        "dangerous."
    )
    return f"{table([*header, 'of these, borderline'], [*rows, *controls])}\n\n{note}"


def _refusal_cells(model: ModelSummary) -> list[str]:
    sides = [cell for suite in SUITES for cell in _share_and_change(model.suite(suite))]
    return [*sides, _share(model.borderline) if model.borderline else "–"]


def _share_and_change(suite: SuiteSummary) -> tuple[str, str]:
    return _share(suite.refused), _change(suite.change) if suite.change else "–"


def _share(share: Share) -> str:
    interval = f"{100 * share.low:.1f} to {100 * share.high:.1f}"
    return f"{100 * share.value:.1f} % ({share.count}/{share.n}; {interval})"


def _change(change: Change) -> str:
    return f"{100 * change.value:+.1f} ({100 * change.low:+.1f} to {100 * change.high:+.1f})"


def _grades(summaries: Sequence[ModelSummary]) -> str:
    header = ["model", *GRADES]
    return table(header, [[cell(m.name), *(str(m.harmful.grades[g]) for g in GRADES)] for m in summaries])


def _categories(summaries: Sequence[ModelSummary]) -> str:
    names = sorted({name for model in summaries for name in model.harmful.by_category})
    rows = [
        [cell(name), *(_count(model.harmful.by_category.get(name)) for model in summaries)] for name in names
    ]
    return table(["category", *(cell(model.name) for model in summaries)], rows)


def _count(share: Share | None) -> str:
    return "–" if share is None else f"{share.count}/{share.n}"


def _texts(summaries: Sequence[ModelSummary]) -> str:
    header = [
        "model, prompts",
        "tokens",
        "words",
        "cut off",
        "empty",
        "repetition",
        "distinct-2",
        "opening, bits",
    ]
    rows = [_text_row(model, model.suite(suite), suite=suite) for suite in SUITES for model in summaries]
    note = (
        "Tokens and words are means. Repetition: share of an answer's four-word runs that it said before. "
        "Distinct-2: distinct word pairs over all pairs of all answers; it falls as answers get longer."
    )
    return f"{table([*header, 'commonest opening'], rows)}\n\n{note}"


def _text_row(model: ModelSummary, summary: SuiteSummary, *, suite: str) -> list[str]:
    text = summary.text
    opening = f"{cell(text.top_opening) or '(none)'} ({100 * text.top_opening_share:.0f} %)"
    shares = [f"{100 * value:.1f} %" for value in (text.cut_off, text.empty, text.repetition)]
    lengths = [f"{text.mean_tokens:.0f}", f"{text.mean_words:.0f}"]
    variety = [f"{text.distinct_2:.3f}", f"{text.opening_entropy:.2f}"]
    return [f"{cell(model.name)}, {suite}", *lengths, *shares, *variety, opening]


def _grader() -> str:
    interval = f"{AGREEMENT.kappa:.2f} ({AGREEMENT.low:.2f} to {AGREEMENT.high:.2f})"
    return (
        f"Refusals are graded by a linear model over the answer's words (`{AGREEMENT.version}`). Against "
        f"people's labels on XSTest ({AGREEMENT.n} answers of three model families, full or partial refusal "
        "against compliance, each graded by one that was not trained on its family) its Cohen's kappa is "
        f"{interval}, and {AGREEMENT.lowest:.2f} on the hardest family, which argues most and declines least "
        f"(people among themselves: {AGREEMENT.people:.2f}). Measured by `{AGREEMENT.command}`. {_UNSEEN}"
    )


def _distrust(summaries: Sequence[ModelSummary]) -> str:
    reasons = [f"- {cell(reason)}" for reason in reasons_to_distrust(summaries)]
    always = (
        "- Each model answered each prompt once; another sampling seed or training run gives other numbers."
    )
    return "\n".join([*reasons, always])


def _drawn_how(results: Sequence[ModelResult]) -> str:
    who = (
        ""
        if len(results) == 1
        else f" Answers are those of {cell(results[0].name)} and {cell(results[-1].name)}."
    )
    return f"Drawn by a generator seeded with {transcripts.SEED}, none left out.{who}"


def _mean_words(model: ModelSummary) -> float:
    texts = [model.suite(suite).text for suite in SUITES]
    return sum(text.mean_words * text.n for text in texts) / sum(text.n for text in texts)
