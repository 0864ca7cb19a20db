"""What the constitution did: figures of revisions and of principles come in, Markdown goes out."""

from collections.abc import Mapping, Sequence

from evaluation.figures.principles import Moved
from evaluation.figures.revisions import Revisions
from evaluation.model import Agreement
from evaluation.report import words
from evaluation.report.safety import GRADES, graded_by
from labeling.markdown import cell, table

_WAYS = {"critique": "after a critique", "direct": "without a critique"}


def rounds(found: Revisions | None, grader: Agreement) -> str:
    """Harmlessness by revision round, with and without critique, and by principle."""
    if found is None:
        return "No critiques or revisions were recorded for these models."
    rows = [
        [
            f"{one.round}, {_WAYS[one.way]}" if one.round else "first answer",
            words.share(one.refused),
            words.points(one.change),
            *(f"{100 * one.grades.get(grade, 0):.0f} %" for grade in GRADES),
        ]
        for one in found.rounds
    ]
    header = ["round", "refused", "points", "complies", "refuses with a reason", "partly", "evasive", "empty"]
    parts = [table(header, rows), _critique(found), _principles(found)]
    note = "Of the red-team prompts that were revised; what the answer does as it stands after the round."
    return "\n\n".join(filter(None, [*parts, f"{note} {graded_by(grader)}"]))


def _critique(found: Revisions) -> str:
    gain = found.critique_gain
    if gain is None:
        ways = {one.way for one in found.rounds}
        missing = "without a critique (`critique.direct: true`)" if "critique" in ways else "with critiques"
        return (
            f"What critiques add is not known: evaluate a run {missing} on the same prompts beside this one."
        )
    return (
        f"Last answers after critiques refuse {words.points(gain)} points more than those revised without "
        f"one, on {gain.clusters} prompts that have both."
    )


def _principles(found: Revisions) -> str:
    rows = [
        [
            cell(one.principle),
            str(one.change.n),
            words.points(one.change),
            words.probability(one.change.adjusted),
        ]
        for one in sorted(found.principles, key=lambda one: -one.change.value)
    ]
    header = ["rounds by principle", "rounds", "refused, points", "p, all together"]
    return table(header, rows) if rows else ""


def principles(found: Mapping[str, Sequence[Moved]]) -> str:
    """Which principles' labels moved which model."""
    parts = [f"### {cell(name)}\n\n{_moved(moved)}" for name, moved in found.items() if moved]
    if not parts:
        return (
            "Not known: that takes labelled pairs of two principles or more, and twenty held-out harmful "
            "prompts or more."
        )
    note = (
        "Each held-out harmful prompt stands near the pairs whose prompts are most like it in words. "
        "Points: how much more refusals changed near a principle's pairs than near the others'. Chance: "
        "the same with the pairs' principles shuffled, 95 % of draws; p over all principles (Holm). It "
        "does not see what a principle changed everywhere alike, and it does not say why."
    )
    return "\n\n".join([*parts, note])


def _moved(moved: Sequence[Moved]) -> str:
    rows = [
        [
            cell(one.principle),
            str(one.pairs),
            f"**{100 * one.difference:+.1f}**" if one.sure else f"{100 * one.difference:+.1f}",
            f"{100 * one.chance_low:+.1f} to {100 * one.chance_high:+.1f}",
            words.probability(one.p),
        ]
        for one in sorted(moved, key=lambda one: -one.difference)
    ]
    return table(["principle", "pairs", "points", "chance", "p"], rows)
