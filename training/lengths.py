"""How long the rows of a method are, in tokens: the least, the mean, the most, and what 95 % stay below.

In: tokenized rows. Out: one `Lengths` for prompts, one for each kind of answer, one for whole texts.
"""

from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import TYPE_CHECKING

import numpy as np

from training.marked import Text, texts

if TYPE_CHECKING:
    from datasets import Dataset

WHOLE = "whole"

_READ = 256
"""Rows that are read at a time."""


@dataclass(frozen=True, slots=True)
class Lengths:
    """Token counts of `count` texts; 95 % are no longer than `p95`."""

    name: str
    count: int
    least: int
    mean: float
    p95: int
    most: int


@dataclass(frozen=True, slots=True)
class Sizes:
    """Lengths by what was measured; the most `texts` that a row holds, the most `learned` in a text and in a
    row (`row_learned`), and the most tokens of a row whose texts' common beginning counts once (`joined`).
    """

    lengths: tuple[Lengths, ...]
    texts: int
    learned: int
    joined: int
    row_learned: int

    @property
    def longest(self) -> int:
        """Tokens of the longest text."""
        return next(each.most for each in self.lengths if each.name == WHOLE)


def measure(rows: "Dataset") -> Sizes:
    """Go through the rows once; nothing of them is kept but numbers."""
    counted: dict[str, array[int]] = {}
    most_texts = most_learned = most_joined = most_of_row = 0
    for made in _each(rows):
        most_texts = max(most_texts, len(made))
        most_joined = max(most_joined, _joined(made))
        learned = [text.learned_tokens for text in made]
        most_learned, most_of_row = max(most_learned, *learned), max(most_of_row, sum(learned))
        for name, tokens in _counts(made):
            counted.setdefault(name, array("l")).append(tokens)
    whole = counted.pop(WHOLE)
    found = [_lengths(name, tokens) for name, tokens in {**counted, WHOLE: whole}.items()]
    return Sizes(tuple(found), most_texts, most_learned, most_joined, most_of_row)


def _each(rows: "Dataset") -> Iterator[list[Text]]:
    for start in range(0, len(rows), _READ):
        part = rows[start : start + _READ]
        for number in range(len(next(iter(part.values())))):
            yield texts({name: values[number] for name, values in part.items()})


def _joined(row: Sequence[Text]) -> int:
    alike = zip(*(text.ids for text in row), strict=False)
    shared = sum(1 for _ in takewhile(lambda tokens: len(set(tokens)) == 1, alike))
    return shared + sum(len(text.ids) - shared for text in row)


def _counts(row: Sequence[Text]) -> Iterator[tuple[str, int]]:
    """The numbers of a row: its prompt once, what is learned of each answer, and whole texts."""
    if not row[0].rated:
        yield "prompt", len(row[0].ids) - row[0].learned_tokens
    for text in row:
        if text.learned_tokens and not text.rated:
            yield text.name.partition(" ")[0], text.learned_tokens
        yield WHOLE, len(text.ids)


def _lengths(name: str, tokens: "array[int]") -> Lengths:
    values = np.frombuffer(tokens, dtype=np.dtype("l"))
    p95 = int(np.quantile(values, 0.95, method="higher"))
    return Lengths(name, len(values), int(values.min()), float(values.mean()), p95, int(values.max()))
