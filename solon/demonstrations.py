"""Conversations that SFT learns from as they are: a recipe's `data.demonstrations` in, what they answer out.

They are a start for what critique and revision do not teach, such as the form that a verifier reads.
"""

from collections.abc import Iterator
from pathlib import Path

from constitution.document import Problem
from critique.model import Request
from pipeline.row_content import DEMONSTRATED, demonstration_of
from pipeline.rows import InputError
from solon.recipe import Source
from solon.rows import read_rows


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
