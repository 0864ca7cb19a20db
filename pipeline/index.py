"""Where each answer lies, in sixteen bytes a key: what makes a journal of millions fit into memory.

In: 16-byte digests with their places. Out: the places at which a digest may lie. Only a digest's first eight
bytes are kept, so the record itself must say whether it is the one that was asked for.
"""

from array import array
from bisect import bisect_left
from collections.abc import Iterator

import numpy as np

RECENT = 16_384
"""Newest entries that wait in a dictionary before they are sorted in; a sixteenth of all, if that is more."""


class Index:
    """A map from digests to places (64-bit numbers), sorted by the digest's first eight bytes."""

    def __init__(self) -> None:
        self._heads = array("Q")
        self._places = array("Q")
        self._recent: dict[bytes, int] = {}

    def __len__(self) -> int:
        return len(self._heads) + len(self._recent)

    def add(self, digest: bytes, place: int) -> None:
        """Add a digest that is not there yet."""
        self._recent[digest] = place
        if len(self._recent) >= max(RECENT, len(self._heads) // 16):
            heads = array("Q", (_head(digest) for digest in self._recent))
            self._sort_in(heads, array("Q", self._recent.values()))
            self._recent = {}

    def load(self, digests: "array[int]", places: "array[int]") -> None:
        """Add many at once; `digests` holds the first eight bytes of each, as numbers."""
        self._sort_in(digests, places)

    def candidates(self, digest: bytes) -> Iterator[int]:
        """Places of all entries that begin as the digest does: almost always none or one."""
        recent = self._recent.get(digest)
        if recent is not None:
            yield recent
        head = _head(digest)
        at = bisect_left(self._heads, head)
        while at < len(self._heads) and self._heads[at] == head:
            yield self._places[at]
            at += 1

    def _sort_in(self, heads: "array[int]", places: "array[int]") -> None:
        new_heads, new_places = np.frombuffer(heads, np.uint64), np.frombuffer(places, np.uint64)
        order = np.argsort(new_heads, kind="stable")
        new_heads, new_places = new_heads[order], new_places[order]
        old_heads, old_places = np.frombuffer(self._heads, np.uint64), np.frombuffer(self._places, np.uint64)
        at = np.searchsorted(old_heads, new_heads)
        self._heads = _as_array(np.insert(old_heads, at, new_heads))
        self._places = _as_array(np.insert(old_places, at, new_places))


def _head(digest: bytes) -> int:
    return int.from_bytes(digest[:8], "little")


def _as_array(numbers: np.ndarray) -> "array[int]":
    made = array("Q")
    made.frombytes(numbers.tobytes())
    return made
