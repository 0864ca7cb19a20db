"""Samples that stand for all pairs: shares by the largest remainder, clusters whole, the same for a seed."""

import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labeling.audit.model import HumanPair
from labeling.audit.sampling import largest_remainders, sample


def pair(number: int, cluster: str, *, kind: str = "", source: str = "s") -> HumanPair:
    return HumanPair(f"p{number}", cluster, (), "yes", "no", kind, source)


def test_shares_go_by_the_largest_remainder() -> None:
    # 10 of 17: 5.88, 2.94 and 1.18, so 5 + 2 + 1, and the two that are left go to the rests 0.94 and 0.88.
    sizes = {("s", "a"): 10, ("s", "b"): 5, ("s", "c"): 2}
    assert largest_remainders(sizes, 10) == {("s", "a"): 6, ("s", "b"): 3, ("s", "c"): 1}


def test_equal_rests_go_by_name() -> None:
    sizes = {("s", "b"): 1, ("s", "a"): 1, ("s", "c"): 1}
    assert largest_remainders(sizes, 1) == {("s", "a"): 1, ("s", "b"): 0, ("s", "c"): 0}


def test_each_source_and_kind_keeps_its_share() -> None:
    kinds = [("x", "a")] * 60 + [("x", "b")] * 30 + [("y", "a")] * 10
    pairs = [pair(n, f"c{n}", source=source, kind=kind) for n, (source, kind) in enumerate(kinds)]
    taken = sample(pairs, 20, seed=1)
    assert Counter((p.source, p.kind) for p in taken) == {("x", "a"): 12, ("x", "b"): 6, ("y", "a"): 2}
    assert taken != sample(pairs, 20, seed=2)


@given(
    clusters=st.lists(st.integers(0, 12), min_size=1, max_size=60),
    budget=st.integers(1, 60),
    order=st.randoms(use_true_random=False),
)
def test_clusters_come_whole_within_the_budget_and_in_any_order_the_same(
    clusters: list[int], budget: int, order: random.Random
) -> None:
    pairs = [pair(n, f"c{cluster}", kind=str(cluster % 3)) for n, cluster in enumerate(clusters)]
    taken = sample(pairs, budget, seed=7)
    assert len(taken) <= budget
    chosen = {p.cluster for p in taken}
    assert {p.id for p in taken} == {p.id for p in pairs if p.cluster in chosen}
    order.shuffle(pairs)
    assert sample(pairs, budget, seed=7) == taken


def test_a_budget_for_all_takes_all_and_none_is_refused() -> None:
    pairs = [pair(n, "one") for n in range(3)]
    assert sample(pairs, 3, seed=0) == pairs
    with pytest.raises(ValueError, match="expected at least 1"):
        sample(pairs, 0, seed=0)
