"""Two constitutions in, what differs out: principles added, removed, reworded and reweighted.

A principle is told by its id: one under another id is one removed and one added. Principles that stand in
another order, or carry other tags, ask nothing else of a model.
"""

import difflib
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass

from constitution.model import Constitution, Principle

WIDTH = 100

WORDS = ("critique_request", "revision_request", "comparison_question")
"""What a principle says to a model."""

SHOWN = ("examples", "comparisons")
"""What is shown to a model beside it, where a recipe asks for examples."""

FACTS = ("tags", "source")


@dataclass(frozen=True, slots=True)
class Change:
    """One field of one principle, before and after, as text; "" where it is not there."""

    field: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class Changed:
    """A principle that is in both, and what of it differs."""

    id: str
    changes: tuple[Change, ...]

    @property
    def reworded(self) -> tuple[str, ...]:
        """The texts for a model that differ."""
        return tuple(change.field for change in self.changes if change.field in WORDS)

    @property
    def reweighted(self) -> bool:
        return any(change.field == "weight" for change in self.changes)


@dataclass(frozen=True, slots=True)
class Difference:
    """From one constitution to another. `same` counts the principles that nothing of has changed."""

    before: Constitution
    after: Constitution
    added: tuple[Principle, ...]
    removed: tuple[Principle, ...]
    changed: tuple[Changed, ...]
    same: int

    def as_json(self) -> dict[str, object]:
        """All of it, for `--json`."""
        return {
            "before": _particulars(self.before),
            "after": _particulars(self.after),
            "added": [each.id for each in self.added],
            "removed": [each.id for each in self.removed],
            "changed": {
                each.id: {change.field: [change.before, change.after] for change in each.changes}
                for each in self.changed
            },
            "same": self.same,
        }


def difference(before: Constitution, after: Constitution) -> Difference:
    """What differs, principles in the order of the constitution that has them."""
    old = {principle.id: principle for principle in before.principles}
    new = {principle.id: principle for principle in after.principles}
    both = [(old[name], new[name]) for name in new if name in old]
    changed = [Changed(now.id, tuple(_changes(then, now))) for then, now in both if then != now]
    return Difference(
        before,
        after,
        added=tuple(principle for name, principle in new.items() if name not in old),
        removed=tuple(principle for name, principle in old.items() if name not in new),
        changed=tuple(changed),
        same=len(both) - len(changed),
    )


def describe_difference(found: Difference) -> str:
    """The difference for reading: a line a principle, and the words that changed below it."""
    lines = [f"from  {_titled(found.before)}", f"to    {_titled(found.after)}", ""]
    lines += [f"removed     {_summed_up(each)}" for each in found.removed]
    lines += [f"added       {_summed_up(each)}" for each in found.added]
    for each in found.changed:
        lines += _described(each)
    lines.append(f"unchanged   {found.same} of {len(found.after.principles)} principles")
    return "\n".join(lines) + "\n"


def _changes(before: Principle, after: Principle) -> Iterator[Change]:
    for name in (*WORDS, "weight", *SHOWN, *FACTS):
        then, now = getattr(before, name), getattr(after, name)
        if then != now:
            yield Change(name, _written(name, then), _written(name, now))


def _written(name: str, value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, tuple):
        return ", ".join(value) if name == "tags" else "\n".join(each.model_dump_json() for each in value)
    return str(value)


def _described(changed: Changed) -> Iterator[str]:
    kind = "reworded" if changed.reworded else "reweighted" if changed.reweighted else "changed"
    yield f"{kind:<11} {changed.id}"
    for change in changed.changes:
        yield from _change(change)


def _change(change: Change) -> Iterator[str]:
    if change.field in SHOWN:
        then, now = (set(filter(None, text.split("\n"))) for text in (change.before, change.after))
        yield f"    {change.field}: {len(then - now)} taken out, {len(now - then)} put in"
    elif change.field in WORDS:
        yield f"    {change.field}"
        yield from _compared(change.before, change.after)
    else:
        yield f"    {change.field}: {change.before or '(none)'} -> {change.after or '(none)'}"


def _compared(before: str, after: str) -> Iterator[str]:
    """The texts wrapped alike, line by line, so that what stays is shown once."""
    old, new = (textwrap.wrap(text, WIDTH - 6) for text in (before, after))
    for line in difflib.ndiff(old, new):
        if not line.startswith("?"):
            yield f"    {line}"


def _titled(constitution: Constitution) -> str:
    count = len(constitution.principles)
    return (
        f"{constitution.name} {constitution.version}, {count} principles, digest {constitution.digest[:12]}"
    )


def _summed_up(principle: Principle) -> str:
    uses = [
        *(["revises"] if principle.can_revise else []),
        *(["compares"] if principle.can_compare else []),
    ]
    return f"{principle.id} (weight {principle.weight:g}, {' and '.join(uses)})"


def _particulars(constitution: Constitution) -> dict[str, object]:
    return {
        "name": constitution.name,
        "version": constitution.version,
        "digest": constitution.digest,
        "principles": len(constitution.principles),
    }
