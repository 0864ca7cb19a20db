"""The index: places are found by digest, however many were added and in whichever order."""

import hashlib
from array import array

from hypothesis import given
from hypothesis import strategies as st

from pipeline.index import RECENT, Index


def digest(number: int) -> bytes:
    return hashlib.sha256(str(number).encode()).digest()[:16]


def head(number: int) -> int:
    return int.from_bytes(digest(number)[:8], "little")


def test_entries_are_found_after_they_were_sorted_in() -> None:
    index = Index()
    count = 2 * RECENT + 10
    for number in range(count):
        index.add(digest(number), number)
    assert len(index) == count
    assert all(list(index.candidates(digest(number))) == [number] for number in range(count))
    assert list(index.candidates(digest(count))) == []


@given(st.lists(st.integers(0, 50), unique=True), st.lists(st.integers(51, 99), unique=True))
def test_loaded_and_added_entries_are_found_alike(loaded: list[int], added: list[int]) -> None:
    index = Index()
    index.load(array("Q", map(head, loaded)), array("Q", loaded))
    for number in added:
        index.add(digest(number), number)
    found = [number for number in range(100) if list(index.candidates(digest(number))) == [number]]
    assert found == sorted(loaded + added)


def test_digests_that_begin_alike_are_all_candidates() -> None:
    index = Index()
    same = [b"\1" * 8 + bytes([number]) * 8 for number in range(3)]
    heads = array("Q", [int.from_bytes(b"\1" * 8, "little")] * 2)
    index.load(heads, array("Q", [10, 11]))
    index.add(same[2], 12)
    assert sorted(index.candidates(same[2])) == [10, 11, 12]
    assert sorted(index.candidates(same[0])) == [10, 11]
