"""Which prompts begin alike: token ids come in, a plan goes out by which every beginning is computed once.

The plan is a tree of segments: a shared one belongs to all prompts that hold it, and each prompt has a last
one of its own. Prompts that wait together often form such a tree: the head of a template, below it a
conversation with its responses, below that one ending for each principle. `engine.prefill` carries plans out.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

Ids = Sequence[int]

WORTH = 64
"""Tokens that must be saved by one more pass through the model, which each level of the tree is."""

FAMILY = 4
"""Prompts are of one family where they share a quarter of the shorter one, or more."""


@dataclass(frozen=True, slots=True)
class Segment:
    """Tokens `start` to `end` of all its `members`, which are places in the list of sequences.

    `before` is the segment that it continues, None at the beginning; `level` counts those before it. Shared
    ones are kept one behind another, from `place` on. One that `ends` its only member goes to that
    sequence's end, and is read at its last tokens and not kept.
    """

    start: int
    end: int
    members: tuple[int, ...]
    before: "Segment | None" = None
    place: int = 0
    ends: bool = False

    @property
    def level(self) -> int:
        return 0 if self.before is None else self.before.level + 1

    @property
    def length(self) -> int:
        return self.end - self.start

    @property
    def older(self) -> list[int]:
        """The places of all tokens before `start`."""
        before = self.before
        return [*before.older, *range(before.place, before.place + before.length)] if before else []


def plan(sequences: Sequence[list[int]], keep: Sequence[int], *, worth: int = WORTH) -> list[Segment]:
    """Segments of all sequences, each after the one that it continues.

    The last `keep` tokens of a sequence, one or more, are always in the segment that ends it.
    """
    own = [len(ids) - kept for ids, kept in zip(sequences, keep, strict=True)]
    order = sorted(range(len(sequences)), key=sequences.__getitem__)
    segments: list[Segment] = []
    place = 0
    pending: list[tuple[list[int], Segment | None]] = [(order, None)]
    while pending:
        members, before = pending.pop()
        start = before.end if before else 0
        # Between the first and the last in order lies all that they differ in.
        alike = shared_length(sequences[members[0]], sequences[members[-1]])
        end = max(start, min(alike, *(own[i] for i in members)))
        if (end - start) * (len(members) - 1) >= worth:
            before = Segment(start, end, tuple(members), before, place)
            segments.append(before)
            start, place = end, place + before.length
        for group in _parted(members, sequences, own, end=end):
            if len(group) > 1:
                pending.append((group, before))
            else:
                length = len(sequences[group[0]])
                segments.append(Segment(start, length, tuple(group), before, ends=True))
    return segments


def _parted(
    members: Sequence[int], sequences: Sequence[Ids], own: Sequence[int], *, end: int
) -> Iterator[list[int]]:
    """Members by the token at `end`; those that have nothing to share from there on alone."""
    yield from ([i] for i in members if own[i] <= end)
    longer = (i for i in members if own[i] > end)
    yield from (list(group) for _, group in groupby(longer, key=lambda i: sequences[i][end]))


def cached_tokens(segments: Sequence[Segment], count: int) -> list[int]:
    """Of each sequence the tokens that are computed for another one; the first member computes for all."""
    cached = [0] * count
    for segment in segments:
        for i in segment.members[1:]:
            cached[i] += segment.length
    return cached


def families(sequences: Sequence[list[int]]) -> list[list[int]]:
    """Places of sequences that begin alike, beside each other, the nearest relatives nearest."""
    order = sorted(range(len(sequences)), key=sequences.__getitem__)
    found: list[list[int]] = []
    for place, i in enumerate(order):
        before = order[place - 1]
        least = min(len(sequences[before]), len(sequences[i])) / FAMILY
        if place and shared_length(sequences[before], sequences[i]) >= least:
            found[-1].append(i)
        else:
            found.append([i])
    return found


def shared_length(first: Ids, second: Ids) -> int:
    """How many tokens two sequences have in common from the beginning."""
    low, high = 0, min(len(first), len(second))
    while low < high:
        middle = (low + high + 1) // 2
        if first[low:middle] == second[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low
