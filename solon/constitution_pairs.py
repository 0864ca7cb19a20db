"""A run's pairs as an edit of its constitution would have them: what is made of a revision follows it.

In: a run's comparisons, and its trajectories with those that the edit has written anew. Out: an `EditedPair`
for each pair of the run, and for each that would come in. Samples of a trained model stay as they are: what a
model would say that learnt from other revisions, only training it tells.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby
from typing import Generic, TypeVar

from constitution.model import Constitution
from critique.model import Trajectory
from critique.rewritten import Rewritten
from labeling.draw import Candidate, Drawn
from labeling.flips import EditedPair
from labeling.model import Comparison, Labelled, Source
from labeling.pairs import constructed
from pipeline.shards import failures
from pipeline.store import StoredRecords
from solon.loaded_recipe import LoadedRecipe
from solon.programs import candidate
from solon.run_folder import RunFolder

Item = TypeVar("Item")

REMADE: frozenset[Source] = frozenset({"revision", "hard_negative"})
"""Sources whose pairs hold a revision."""


def edited_pairs(
    loaded: LoadedRecipe,
    folder: RunFolder,
    *,
    constitutions: tuple[Constitution, Constitution],
    rewritten: Mapping[str, Rewritten],
) -> Iterator[EditedPair]:
    """All pairs in the rows' order; `constitutions` are the run's own and the edited one.

    `rewritten` has trajectories by their row. Where none of them ends in another revision, every pair stays
    as it is.
    """
    stored = StoredRecords(folder.comparisons, Labelled)
    if not (any(each.revised for each in rewritten.values()) and REMADE.intersection(loaded.labeling.pairs)):
        yield from (EditedPair(each.comparison, each.comparison) for each in stored)
        return
    trajectories = StoredRecords(folder.trajectories, Trajectory)
    edited = _Edited(loaded, trajectories, constitutions, rewritten)
    was = _Rows((each.comparison.row, each.comparison) for each in stored)
    will = _Rows((row.id, row) for row in Drawn(edited, loaded.labeling, seed=loaded.recipe.seed))
    failed = {row["id"] for row in failures(folder.comparisons)}
    for trajectory in trajectories:
        row = trajectory.request.id
        new = {each.id: each for each in _constructed(will.take(row))} if row not in failed else {}
        for pair in was.take(row):
            yield EditedPair(pair, new.pop(pair.id, None) if pair.source in REMADE else pair)
        yield from (EditedPair(None, pair) for pair in new.values())


@dataclass(frozen=True, slots=True)
class _Edited:
    """The label stage's candidates after the edit; gone through anew each time."""

    loaded: LoadedRecipe
    trajectories: Iterable[Trajectory]
    constitutions: tuple[Constitution, Constitution]
    rewritten: Mapping[str, Rewritten]

    def __iter__(self) -> Iterator[Candidate]:
        before, after = self.constitutions
        for trajectory in self.trajectories:
            found = self.rewritten.get(trajectory.request.id)
            if found is None:
                yield candidate(self.loaded, trajectory, before)
            else:
                yield candidate(self.loaded, found.after, after)


class _Rows(Generic[Item]):
    """Items under their rows, in the rows' order; taken a row at a time, of which some have none."""

    def __init__(self, items: Iterable[tuple[str, Item]]) -> None:
        self._groups = groupby(items, key=lambda each: each[0])
        self._next = next(self._groups, None)

    def take(self, row: str) -> list[Item]:
        """The row's items; call it with every row in turn."""
        if self._next is None or self._next[0] != row:
            return []
        found = [item for _, item in self._next[1]]
        self._next = next(self._groups, None)
        return found


def _constructed(rows: Iterable[Candidate]) -> Iterator[Comparison]:
    for row in rows:
        yield from (constructed(source, row) for source in row.pairs if source in REMADE)
