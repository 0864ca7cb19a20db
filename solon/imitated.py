"""What SFT learns from: a recipe and the rows that critique made in; these rows and demonstrations out.

Revisions teach to decline and helpful samples when not to (Bai et al. 2022, section 3.2), so the share of
either may be said: as many helpful samples are drawn, by the run's seed, as make it. Rows are read anew each
time they are gone through.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from heapq import nsmallest

from labeling.helpfulness import making_share
from pipeline.context import derived_seed
from solon.loaded_recipe import LoadedRecipe
from solon.rows import read_rows

HELPFUL = "helpful"
"""The `kind` of a row whose answer is the assistant's own to a helpful prompt."""


@dataclass(frozen=True, slots=True)
class Drawn:
    """The helpful samples whose number is at most `last`: `kept` of them, which have `share`, not `wanted`,
    where they are not `enough`.
    """

    last: int
    kept: int
    share: float
    wanted: float
    enough: bool

    def told(self) -> str:
        """For people: what share the samples have, and why it is not what was asked for."""
        said = f"{self.kept} helpful samples, {100 * self.share:.1f} % of the rows that critique made"
        if self.enough:
            return said
        return f"{said}; {100 * self.wanted:.1f} % were asked for, and there are no more"


@dataclass(frozen=True, slots=True)
class Imitated:
    """The rows that critique made, helpful ones as far as they are drawn, and demonstrations behind them."""

    loaded: LoadedRecipe
    made: Iterable[Mapping[str, object]]
    drawn: Drawn | None

    def __iter__(self) -> Iterator[Mapping[str, object]]:
        for row in self.made:
            if self.drawn is None or row["kind"] != HELPFUL or _number(self.loaded, row) <= self.drawn.last:
                yield row
        source = self.loaded.data.demonstrations
        if source is not None:
            for row in read_rows(source, base=self.loaded.folder):
                yield row.values


def imitated(loaded: LoadedRecipe, made: Iterable[Mapping[str, object]]) -> Imitated:
    """What SFT learns from; where `training.sft.helpful_share` is set, helpful samples to that share."""
    settings = loaded.recipe.training.sft
    share = None if settings is None else settings.helpful_share
    return Imitated(loaded, made, None if share is None else _drawn(loaded, made, share))


def _drawn(loaded: LoadedRecipe, made: Iterable[Mapping[str, object]], share: float) -> Drawn:
    others, numbers = 0, list[int]()
    for row in made:
        if row["kind"] == HELPFUL:
            numbers.append(_number(loaded, row))
        else:
            others += 1
    wanted = making_share(share, others)
    kept = nsmallest(wanted, numbers)
    reached = len(kept) / max(others + len(kept), 1)
    return Drawn(kept[-1] if kept else -1, len(kept), reached, share, enough=len(kept) == wanted)


def _number(loaded: LoadedRecipe, row: Mapping[str, object]) -> int:
    return derived_seed(loaded.recipe.seed, "sft", str(row["id"]))
