"""Which labels flip where one constitution takes another's place: pairs in, both judgments out.

A pair is touched where others vote on it, or by other words, or where it is made of a revision that the edit
has written anew. One that is not is not asked about; of the others every call that the run made is found in
its journal, since its key is its content, and what is asked is what the edit touches.
"""

import random
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from constitution.model import Principle
from labeling.judge import Judge
from labeling.model import Comparison, Judgment, Labelled
from labeling.preferences import first_wins
from labeling.settings import LabelingSettings
from labeling.trust import Believing, Trust
from pipeline.context import Context, RowContext, derived_seed


@dataclass(frozen=True, slots=True)
class EditedPair:
    """A pair as a run has it, and as it would have it after the edit; None where it would not be there.

    The two differ in their texts where a response is a revision that is written anew.
    """

    before: Comparison | None
    after: Comparison | None

    @property
    def pair(self) -> Comparison:
        """What there is of it: as it would be, or as it was."""
        found = self.after or self.before
        if found is None:
            raise ValueError("a pair that stands neither before nor after an edit is none")
        return found

    @property
    def remade(self) -> bool:
        """Whether the edit reaches what the pair is made of, and not only who votes on it."""
        if self.before is None or self.after is None:
            return True
        return _texts(self.before) != _texts(self.after)


@dataclass(frozen=True, slots=True)
class Touched:
    """The pairs of one row under whose votes something differs; the row's id is that of the label stage."""

    id: str
    pairs: tuple[EditedPair, ...]


@dataclass(frozen=True, slots=True)
class Relabelled:
    """A pair's judgment under either constitution; None where the pair does not stand under it."""

    edited: EditedPair
    before: Judgment | None
    after: Judgment | None

    @property
    def voters(self) -> tuple[set[str], set[str]]:
        """The principles that vote under either."""
        return _voters(self.before), _voters(self.after)

    @property
    def verdicts(self) -> tuple[str, str]:
        """The verdict under either; "no pair" where there is none to judge."""
        return _verdict(self.before), _verdict(self.after)

    @property
    def redrawn(self) -> bool:
        """Whether other principles vote, and not only in other words."""
        before, after = self.voters
        return before != after

    @property
    def flips(self) -> bool:
        before, after = self.verdicts
        return before != after


@dataclass(frozen=True, slots=True)
class Relabeler:
    """Judges a row's pairs under both constitutions; call it as a row program.

    `asking` is a context like the row's own, with a tally of its own for what the second one costs.
    """

    before: Judge
    after: Judge
    asking: Context

    async def __call__(self, row: Touched, context: RowContext) -> tuple[Relabelled, ...]:
        again = self.asking.row(row.id, context.number)
        # One after the other, so that the second finds what the first was told.
        return tuple(
            [
                Relabelled(
                    each,
                    before=await _judged(self.before, each.before, context),
                    after=await _judged(self.after, each.after, again),
                )
                for each in row.pairs
            ]
        )


async def _judged(judge: Judge, pair: Comparison | None, context: RowContext) -> Judgment | None:
    return None if pair is None else await judge.judge(pair, context)


@dataclass(slots=True)
class Drawing:
    """How the pairs fare before anybody is asked: all of them, those touched, those that draw otherwise,
    and those that are made of something else.
    """

    pairs: int = 0
    touched: int = 0
    redrawn: int = 0
    remade: int = 0

    def rows(
        self, pairs: Iterable[EditedPair], before: Judge, after: Judge, *, seed: int
    ) -> Iterator[Touched]:
        """The rows with a pair to ask about, counted on their way."""
        for row, items in groupby(pairs, key=lambda each: each.pair.row):
            touched = tuple(each for each in items if self._is_touched(each, before, after, seed))
            if touched:
                yield Touched(row, touched)

    def _is_touched(self, edited: EditedPair, before: Judge, after: Judge, seed: int) -> bool:
        pair, remade = edited.pair, edited.remade
        drawn = derived_seed(seed, pair.row, "comparison", pair.drawn_as)
        old, new = (judge.drawn(random.Random(drawn)) for judge in (before, after))
        asked = {_asks(each, before) for each in old} != {_asks(each, after) for each in new}
        touched = remade or (asked and not pair.identical)
        self.pairs += 1
        self.touched += touched
        self.remade += remade
        self.redrawn += {each.id for each in old} != {each.id for each in new}
        return touched


def verdict_flips(found: Sequence[Relabelled]) -> Counter[str]:
    """How many labels go from one verdict to another, as `first -> tie`."""
    return Counter(" -> ".join(each.verdicts) for each in found if each.flips)


def pair_flips(found: Sequence[Relabelled], settings: LabelingSettings, trust: Trust | None) -> Counter[str]:
    """What becomes of the preference dataset's pairs: turned round, left out now, put in now, or written
    anew with the same one chosen.

    A pair that is decided by how it was made stays as it is, whatever the judge says of it.
    """
    counts: Counter[str] = Counter()
    believed = Believing(settings, trust)
    for each in found:
        before = _first_wins(each.edited.before, each.before, believed)
        after = _first_wins(each.edited.after, each.after, believed)
        if before != after:
            counts["left out" if after is None else "put in" if before is None else "turned round"] += 1
        elif before is not None and each.edited.remade:
            counts["written anew"] += 1
    return counts


def _first_wins(pair: Comparison | None, judgment: Judgment | None, believed: Believing) -> bool | None:
    if pair is None or judgment is None:
        return None
    return first_wins(Labelled(pair, judgment), believed)


def _verdict(judgment: Judgment | None) -> str:
    return judgment.verdict if judgment else "no pair"


def _texts(pair: Comparison) -> tuple[str, str]:
    return pair.first.text, pair.second.text


def _asks(principle: Principle, judge: Judge) -> str:
    """What of it the judge's prompts hold: in a user's own templates that may be all but the weight."""
    left_out = {"weight"}
    if not judge.prompts.has_own:
        left_out |= {"critique_request", "revision_request", "examples", "tags", "source"}
        left_out |= set() if judge.settings.method == "few_shot" else {"comparisons"}
    return principle.model_dump_json(exclude=left_out)


def _voters(judgment: Judgment | None) -> set[str]:
    return {vote.principle for vote in judgment.votes} if judgment else set()
