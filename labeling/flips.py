"""Which labels flip where one constitution takes another's place: stored pairs in, both judgments out.

The pairs stay as they are; only who votes on them, and by which words, differs. A pair under whose votes
nothing differs is not asked about; of the others every call that the run made is found in its journal, since
its key is its content, and what is asked is what the edit touches.
"""

import random
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from constitution.model import Principle
from labeling.export import first_wins
from labeling.judge import Judge
from labeling.model import Comparison, Judgment, LabelingSettings, Labelled
from labeling.trust import Believing, Trust
from pipeline.context import Context, RowContext, derived_seed


@dataclass(frozen=True, slots=True)
class Touched:
    """The pairs of one row under whose votes something differs; the row's id is that of the label stage."""

    id: str
    comparisons: tuple[Comparison, ...]


@dataclass(frozen=True, slots=True)
class Relabelled:
    """A pair's judgment under either constitution."""

    comparison: Comparison
    before: Judgment
    after: Judgment

    @property
    def redrawn(self) -> bool:
        """Whether other principles vote, and not only in other words."""
        return _voters(self.before) != _voters(self.after)

    @property
    def flips(self) -> bool:
        return self.before.verdict != self.after.verdict


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
                    comparison,
                    before=await self.before.judge(comparison, context),
                    after=await self.after.judge(comparison, again),
                )
                for comparison in row.comparisons
            ]
        )


@dataclass(slots=True)
class Drawing:
    """How the pairs fare before anybody is asked: all of them, those touched, those that draw otherwise."""

    pairs: int = 0
    touched: int = 0
    redrawn: int = 0

    def rows(
        self, labelled: Iterable[Labelled], before: Judge, after: Judge, *, seed: int
    ) -> Iterator[Touched]:
        """The rows with a pair to ask about, counted on their way."""
        for row, items in groupby((each.comparison for each in labelled), key=lambda each: each.row):
            touched = tuple(each for each in items if self._is_touched(each, before, after, seed))
            if touched:
                yield Touched(row, touched)

    def _is_touched(self, comparison: Comparison, before: Judge, after: Judge, seed: int) -> bool:
        drawn = derived_seed(seed, comparison.row, "comparison", comparison.drawn_as)
        old, new = (judge.drawn(random.Random(drawn)) for judge in (before, after))
        asked = {_asks(each, before) for each in old} != {_asks(each, after) for each in new}
        touched = asked and not comparison.identical
        self.pairs += 1
        self.touched += touched
        self.redrawn += {each.id for each in old} != {each.id for each in new}
        return touched


def verdict_flips(found: Sequence[Relabelled]) -> Counter[str]:
    """How many labels go from one verdict to another, as `first -> tie`."""
    return Counter(f"{each.before.verdict} -> {each.after.verdict}" for each in found if each.flips)


def pair_flips(found: Sequence[Relabelled], settings: LabelingSettings, trust: Trust | None) -> Counter[str]:
    """What becomes of the preference dataset's pairs: turned round, left out now, or put in now.

    A pair that is decided by how it was made stays as it is, whatever the judge says of it.
    """
    counts: Counter[str] = Counter()
    believed = Believing(settings, trust)
    for each in found:
        before, after = (
            first_wins(Labelled(each.comparison, judgment), believed)
            for judgment in (each.before, each.after)
        )
        if before != after:
            counts["left out" if after is None else "put in" if before is None else "turned round"] += 1
    return counts


def _asks(principle: Principle, judge: Judge) -> str:
    """What of it the judge's prompts hold: in a user's own templates that may be all but the weight."""
    left_out = {"weight"}
    if not judge.prompts.has_own:
        left_out |= {"critique_request", "revision_request", "examples", "tags", "source"}
        left_out |= set() if judge.settings.method == "few_shot" else {"comparisons"}
    return principle.model_dump_json(exclude=left_out)


def _voters(judgment: Judgment) -> set[str]:
    return {vote.principle for vote in judgment.votes}
