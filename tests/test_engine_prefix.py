"""Plans of shared beginnings: every token is in one place, and what is shared is computed once."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.prefix import Segment, cached_tokens, families, plan, shared_length

HEAD, TALK, FIRST, SECOND = [1] * 10, [2] * 30, [3] * 40, [4] * 40


def spelled(segment: Segment | None, ids: Sequence[int]) -> list[int]:
    """The tokens of a sequence as its segments give them."""
    if segment is None:
        return []
    return [*spelled(segment.before, ids), *ids[segment.start : segment.end]]


def computed(segments: Sequence[Segment]) -> int:
    return sum(segment.length for segment in segments)


def both_orders(endings: int) -> list[list[int]]:
    """A head and a talk, two responses in both orders, and so many endings of five tokens on each."""
    orders = (FIRST + SECOND, SECOND + FIRST)
    return [HEAD + TALK + order + [10 + i] * 5 for i in range(endings) for order in orders]


def test_a_both_order_label_of_eight_principles_is_a_tree_of_three_levels() -> None:
    sequences = both_orders(8)
    segments = plan(sequences, [1] * 16)
    assert sorted((s.level, s.length, len(s.members)) for s in segments if not s.ends) == [
        (0, 40, 16),
        (1, 80, 8),
        (1, 80, 8),
    ]
    assert [(s.level, s.length) for s in segments if s.ends] == [(2, 5)] * 16
    assert computed(segments) == 40 + 2 * 80 + 16 * 5 == 280
    assert sum(map(len, sequences)) == 16 * 125 == 2000


def test_each_shared_token_counts_as_computed_for_one_prompt() -> None:
    sequences = both_orders(2)
    cached = cached_tokens(plan(sequences, [1] * 4), 4)
    assert cached == [0, 40, 120, 120]


def test_shared_tokens_have_places_of_their_own() -> None:
    segments = plan(both_orders(8), [1] * 16)
    places = [range(s.place, s.place + s.length) for s in segments if not s.ends]
    assert sorted(place for places in places for place in places) == list(range(200))
    ending = next(s for s in segments if s.ends)
    assert ending.before is not None
    assert len(ending.older) == ending.start == 120
    assert ending.older[:40] == list(range(40))


def test_what_saves_little_is_not_shared() -> None:
    pair = [[7] * 10 + [1], [7] * 10 + [2]]
    assert [(s.start, s.end, s.ends) for s in plan(pair, [1, 1], worth=11)] == [(0, 11, True)] * 2
    assert computed(plan(pair, [1, 1], worth=10)) == 12


def test_what_is_read_of_a_sequence_is_its_own() -> None:
    twins = plan([[5] * 100] * 3, [1, 1, 1])
    assert [(s.start, s.end) for s in twins] == [(0, 99), *[(99, 100)] * 3]
    longer = plan([[5] * 100, [5] * 100], [1, 30])
    assert [(s.start, s.end) for s in longer if not s.ends] == [(0, 70)]


def test_a_prompt_that_begins_another_one_is_no_obstacle() -> None:
    short, long = [1] * 80, [1] * 200
    segments = plan([[*long, 2], short, [*long, 3]], [1, 1, 1])
    assert sorted((s.start, s.end, s.members) for s in segments) == [
        (0, 79, (1, 0, 2)),
        (79, 80, (1,)),
        (79, 200, (0, 2)),
        (200, 201, (0,)),
        (200, 201, (2,)),
    ]


token_ids = st.lists(st.integers(0, 2), min_size=1, max_size=12)


@given(st.lists(token_ids, min_size=1, max_size=12), st.integers(1, 6), st.data())
def test_a_plan_holds_every_sequence_whole(
    sequences: list[list[int]], worth: int, data: st.DataObject
) -> None:
    keep = [data.draw(st.integers(1, len(ids))) for ids in sequences]
    segments = plan(sequences, keep, worth=worth)
    endings = {s.members[0]: s for s in segments if s.ends}
    assert sorted(endings) == list(range(len(sequences)))
    for i, ids in enumerate(sequences):
        assert spelled(endings[i], ids) == ids
        assert endings[i].start <= len(ids) - keep[i]
    for segment in segments:
        tokens = {tuple(sequences[i][: segment.end]) for i in segment.members}
        assert len(tokens) == 1
        assert segment.before is None or set(segment.members) <= set(segment.before.members)
        assert segment.ends or segment.length * (len(segment.members) - 1) >= worth
    saved = sum(map(len, sequences)) - computed(segments)
    assert saved == sum(cached_tokens(segments, len(sequences))) >= 0


@given(st.lists(token_ids, min_size=1, max_size=12))
def test_a_plan_that_shares_all_it_can_computes_each_beginning_once(sequences: list[list[int]]) -> None:
    beginnings = {tuple(ids[:end]) for ids in sequences for end in range(1, len(ids))}
    assert computed(plan(sequences, [1] * len(sequences), worth=1)) == len(beginnings) + len(sequences)


@given(token_ids, token_ids)
def test_the_shared_length_is_that_of_the_longest_common_beginning(
    first: list[int], second: list[int]
) -> None:
    expected = next((i for i, (a, b) in enumerate(zip(first, second, strict=False)) if a != b), None)
    assert shared_length(first, second) == (min(len(first), len(second)) if expected is None else expected)


def test_families_are_those_that_share_a_quarter() -> None:
    sequences = [[1] * 20 + [2] * 60, [9] * 50, [1] * 20 + [3] * 60, [1] * 19 + [4] * 61, [9] * 20]
    assert families(sequences) == [[0, 2], [3], [4, 1]]
    assert families([]) == []


@pytest.mark.parametrize("count", [1, 3])
def test_strangers_are_families_of_their_own(count: int) -> None:
    assert families([[i] * 9 for i in range(count)]) == [[i] for i in range(count)]
