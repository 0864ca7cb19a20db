"""Which trajectories make pairs, and of which sources: limits are drawn, hard negatives are looked up.

In: candidates, as often as they are gone through. Out: those that make pairs, in their order, each with its
sources. A byte for each candidate stays in memory, and what is drawn; the texts of revisions wait in a file.
"""

import json
import random
from collections.abc import Container, Iterable, Iterator
from dataclasses import astuple, dataclass, replace
from functools import cached_property

from critique.model import Text, Trajectory
from critique.relatedness import Relatedness
from labeling.model import SAMPLED, Source
from labeling.settings import LabelingSettings
from pipeline.context import derived_seed
from pipeline.spool import Spool


@dataclass(frozen=True, slots=True)
class Candidate:
    """A trajectory as a row of this stage, with the answers that passed selection: the last revision of a
    red-team prompt, the first sample of a helpful one; None where they did not.

    `mistaken` is what a helpful prompt must not be answered: another prompt's revision. `pairs` are those
    that the row makes: `Drawn` fills in both.
    """

    trajectory: Trajectory
    good: Text | None
    mistaken: Text | None = None
    pairs: tuple[Source, ...] = ()

    @property
    def id(self) -> str:
        return self.trajectory.request.id


class Drawn:
    """The rows that make pairs, made anew each time they are gone through; `candidates` are, too.

    Of a source with a limit so many pairs are drawn at random, by `seed`; of the others there are all.
    """

    def __init__(self, candidates: Iterable[Candidate], settings: LabelingSettings, *, seed: int) -> None:
        self._candidates = candidates
        self._sources: tuple[Source, ...] = tuple(dict.fromkeys(settings.pairs))
        self._revisions = _Revisions()
        self._able = bytearray()
        for row in candidates:
            self._look_at(row)
        self._chosen = {source: self._choose(source, settings, seed) for source in self._sources}
        self._count = sum(1 for pairs in self._pairs() if pairs)

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[Candidate]:
        for row, pairs in zip(self._candidates, self._pairs(), strict=True):
            if pairs:
                mistaken = self._revisions.most_like(row) if "hard_negative" in pairs else None
                yield replace(row, mistaken=mistaken, pairs=pairs)

    def _look_at(self, row: Candidate) -> None:
        """Keep one bit for each source that the row can make a pair of, and its revision for others."""
        able = sum(_can_pair(row, source) << bit for bit, source in enumerate(self._sources))
        self._able.append(able)
        if "hard_negative" in self._sources and _kind(row) == "red_team":
            self._revisions.add(row)

    def _choose(self, source: Source, settings: LabelingSettings, seed: int) -> Container[int]:
        """The numbers, among all that can make a pair of this source, of those that do."""
        if source == "hard_negative" and not len(self._revisions):
            return ()
        bit = self._sources.index(source)
        count = sum(able >> bit & 1 for able in self._able)
        limit = settings.limits.get(source, count)
        if limit >= count:
            return range(count)
        return frozenset(random.Random(derived_seed(seed, source)).sample(range(count), limit))

    def _pairs(self) -> Iterator[tuple[Source, ...]]:
        """The sources that each candidate makes a pair of, in the candidates' order."""
        numbers: dict[Source, int] = dict.fromkeys(self._sources, -1)
        for able in self._able:
            those: list[Source] = [source for bit, source in enumerate(self._sources) if able >> bit & 1]
            for source in those:
                numbers[source] += 1
            yield tuple(source for source in those if numbers[source] in self._chosen[source])


class _Revisions:
    """The kept revisions of red-team prompts, to be found by a prompt that is like theirs."""

    def __init__(self) -> None:
        self._asked, self._texts = Spool(), Spool()

    def __len__(self) -> int:
        return len(self._texts)

    def add(self, row: Candidate) -> None:
        if row.good is not None:
            self._asked.append(_asked(row))
            self._texts.append(json.dumps(astuple(row.good)))

    def most_like(self, row: Candidate) -> Text:
        """The revision of the red-team prompt that is most like this one; the first of equals."""
        related = self._relatedness.to(_asked(row))
        return Text(*json.loads(self._texts[related.index(max(related))]))

    @cached_property
    def _relatedness(self) -> Relatedness:
        return Relatedness(self._asked)


def _can_pair(row: Candidate, source: Source) -> bool:
    if _kind(row) == "helpful":
        return source == "hard_negative" and row.good is not None
    return source in SAMPLED or (source == "revision" and row.good is not None)


def _kind(row: Candidate) -> str:
    return row.trajectory.request.kind


def _asked(row: Candidate) -> str:
    conversation = row.trajectory.request.conversation
    return " ".join(message.content for message in conversation if message.role == "user")
