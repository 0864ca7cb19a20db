"""What a row of human labels comes to: a pair, a problem, nothing; and the face of a form of such files.

A form is one way in which they are written. Its reader gets the rows of a file (or of several that belong
together) and never stops at a bad one.
"""

import hashlib
import json
from collections.abc import Callable, Container, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from constitution.document import Problem
from labeling.audit.model import HumanPair
from pipeline.row_content import name_of
from pipeline.rows import InputError, Row
from prompts.message import Conversation, as_dicts

KIND_COLUMNS = ("kind", "category", "subset")


@dataclass(frozen=True, slots=True)
class Found:
    """A pair and the row that it came from; `label` is the verdict as the file writes it, if it does.

    `shown_first` names the one of the two that the row has first; None where the row has no pair of its own.
    """

    pair: HumanPair
    row: Row
    label: str = ""
    shown_first: Literal["chosen", "rejected"] | None = "chosen"


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A sound row that makes no pair, and why."""

    reason: str


Outcome: TypeAlias = Found | LeftOut | Problem
Reader: TypeAlias = Callable[[Sequence[Row]], Iterator[Outcome]]


@dataclass(frozen=True, slots=True)
class Form:
    """One way of writing human labels: the columns that its rows have, and its reader.

    `fits` tells it from others with the same columns. `together`: files of this form make their pairs from
    the rows of all of them.
    """

    columns: tuple[str, ...]
    read: Reader
    fits: Callable[[Row], bool] = lambda _: True
    together: bool = False

    def reads(self, row: Row) -> bool:
        return all(name in row.values for name in self.columns) and self.fits(row)


def each(read: Callable[[Row], Found | LeftOut]) -> Reader:
    """The reader of a form in which every row stands for itself."""

    def reader(rows: Sequence[Row]) -> Iterator[Outcome]:
        for row in rows:
            try:
                yield read(row)
            except InputError as error:
                yield from error.problems

    return reader


def made(
    row: Row, conversation: Conversation, responses: tuple[str, str], *, kind: str = "", name: str = ""
) -> HumanPair:
    """The pair of a row, `responses` being the better and the worse one; the loader fills in its source.

    `name` is the row's own; without one it follows from what the pair says.

    Raises:
        InputError: the two responses are equal, or one of them is blank.
    """
    chosen, rejected = responses
    if chosen.strip() == rejected.strip():
        raise InputError(row.problem("both responses are equal", next_step="remove the row"))
    whole = json.dumps([as_dicts(conversation), chosen, rejected])
    return HumanPair(
        name or digest(whole), cluster_of(conversation), conversation, chosen, rejected, kind=kind
    )


def cluster_of(conversation: Conversation) -> str:
    """A name for all pairs of one conversation, whatever file they are in."""
    return f"prompt-{digest(json.dumps(as_dicts(conversation)))}"


def label_of(row: Row, key: str, labels: Container[str], *, shown: str) -> str:
    """The label in a column, one of those that there are; `shown` names them."""
    value = row.values.get(key)
    label = str(value).strip() if isinstance(value, str | int) and not isinstance(value, bool) else ""
    if label not in labels:
        found = "missing" if key not in row.values else "empty" if value in (None, "") else repr(value)
        raise InputError(row.problem(f"`{key}` is {found}", key=key, expected=f"one of {shown}"))
    return label


def own_name(row: Row, *keys: str) -> str:
    """The first of the columns that names the row; "" where none does."""
    return next((name for key in keys if (name := name_of(row, key)).strip()), "")


def digest(text: str) -> str:
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()[:16]
