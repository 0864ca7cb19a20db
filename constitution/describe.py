"""A `Constitution` in, plain text out: what `solon constitution show` prints."""

import textwrap

from constitution.model import Constitution, Example, Principle, WorkedComparison

WIDTH = 100


def describe(constitution: Constitution) -> str:
    """The constitution for reading: its particulars, a table of the principles, then each one's texts."""
    principles = constitution.principles
    parts = [_particulars(constitution), _table(principles), *map(_principle, principles)]
    return "\n\n".join(parts) + "\n"


def _particulars(constitution: Constitution) -> str:
    able = sum(principle.can_revise and principle.weight > 0 for principle in constitution.principles)
    comparing = sum(principle.can_compare and principle.weight > 0 for principle in constitution.principles)
    lines = [
        f"{constitution.name}, version {constitution.version}",
        f"digest {constitution.digest}",
        f"{len(constitution.principles)} principles: {able} to revise by, {comparing} to compare by",
    ]
    if constitution.description:
        lines += ["", textwrap.fill(constitution.description, WIDTH)]
    return "\n".join(lines)


def _table(principles: tuple[Principle, ...]) -> str:
    rows = [("id", "weight", "examples", "comparisons", "tags"), *map(_row, principles)]
    width = max(len(row[0]) for row in rows)
    return "\n".join(
        f"{name:<{width}}  {weight:>6}  {examples:>8}  {comparisons:>11}  {tags}".rstrip()
        for name, weight, examples, comparisons, tags in rows
    )


def _row(principle: Principle) -> tuple[str, str, str, str, str]:
    examples, comparisons = len(principle.examples), len(principle.comparisons)
    tags = ", ".join(principle.tags)
    return principle.id, f"{principle.weight:g}", str(examples), str(comparisons), tags


def _principle(principle: Principle) -> str:
    texts = (
        ("critique", principle.critique_request),
        ("revision", principle.revision_request),
        ("comparison", principle.comparison_question),
        ("source", principle.source),
    )
    lines = [principle.id, *(_labelled(label, text) for label, text in texts if text is not None)]
    shown = [*map(_example, principle.examples), *map(_comparison, principle.comparisons)]
    return "\n".join([*lines, *shown])


def _example(example: Example) -> str:
    texts = (
        ("example", example.prompt),
        ("  answer", example.response),
        ("  finds", example.finds),
        ("  critique", example.critique),
        ("  revision", example.revision or _unrevised(example)),
    )
    return "\n".join(_labelled(label, text) for label, text in texts if text is not None)


def _unrevised(example: Example) -> str | None:
    return "(none: the answer stays as it is)" if example.critique is not None else None


def _comparison(comparison: WorkedComparison) -> str:
    asked = [("compare" if turn.role == "user" else "  answered", turn.content) for turn in comparison.turns]
    texts = (
        *asked,
        ("  chosen", comparison.chosen),
        ("  rejected", comparison.rejected),
        *((("  reason", comparison.reason),) if comparison.reason else ()),
    )
    return "\n".join(_labelled(label, text) for label, text in texts)


def _labelled(label: str, text: str) -> str:
    """The label, and the text wrapped in a column beside it."""
    margin = f"  {label:<12}"
    filled = [
        textwrap.fill(paragraph, WIDTH - len(margin)) if paragraph.strip() else ""
        for paragraph in text.split("\n")
    ]
    body = "\n".join(filled).replace("\n", "\n" + " " * len(margin))
    return "\n".join(line.rstrip() for line in (margin + body).split("\n"))
