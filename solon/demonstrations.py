"""Conversations that SFT learns from as they are: a recipe's `data.demonstrations` in, its rows out.

They are a start for what critique and revision do not teach, such as the form that a verifier reads. Rows are
read anew each time they are gone through.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from constitution.document import Problem
from critique.model import Request
from pipeline.row_content import DEMONSTRATED, demonstration_of
from pipeline.rows import InputError
from solon.loaded_recipe import LoadedRecipe
from solon.recipe import Source
from solon.rows import read_rows


@dataclass(frozen=True, slots=True)
class Imitated:
    """What SFT learns from: the rows that critique made, and demonstrations behind them."""

    made: Iterable[Mapping[str, object]]
    demonstrations: Source | None
    base: Path

    def __iter__(self) -> Iterator[Mapping[str, object]]:
        yield from self.made
        if self.demonstrations is not None:
            for row in read_rows(self.demonstrations, base=self.base):
                yield row.values


def imitated(loaded: LoadedRecipe, made: Iterable[Mapping[str, object]]) -> Imitated:
    return Imitated(made, loaded.data.demonstrations, loaded.folder)


def iter_asked(source: Source, *, base: Path) -> Iterator[Request]:
    """What each demonstration answers, so that none of it is held out.

    Raises:
        InputError: a row is no demonstration, or there is none.
    """
    count = 0
    for row in read_rows(source, base=base):
        count += 1
        yield Request(row.place, "helpful", demonstration_of(row)[:-1])
    if not count:
        problem = Problem(
            str(base / source.path), "no demonstrations: the file is empty", expected=DEMONSTRATED
        )
        raise InputError(problem)
