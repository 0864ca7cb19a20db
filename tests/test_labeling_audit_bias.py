"""What moves a judge beside the answers' worth."""

import math

import pytest
from audit_opinions import opinion
from hypothesis import given
from hypothesis import strategies as st

from labeling.audit.bias import flips, floors, length, position


def test_both_orders_name_a_response_or_a_position() -> None:
    judged = [
        opinion("same", chosen_first=2.0, chosen_second=1.0),
        opinion("same, wrong", chosen_first=-2.0, chosen_second=-1.0),
        opinion("first twice", chosen_first=2.0, chosen_second=-1.0),
        opinion("second twice", chosen_first=-3.0, chosen_second=1.0),
        opinion("half", chosen_first=0.0, chosen_second=-1.0),
    ]
    found = position(judged)
    assert found is not None
    assert found.consistency.value == pytest.approx(2.5 / 5)
    assert found.first_twice.value == pytest.approx(1.5 / 5)
    assert found.second_twice.value == pytest.approx(1 / 5)
    assert found.same_position == pytest.approx(0.5)
    # (0.5 - 0.5 + 1.5 - 2 + 0.5) / 5
    assert found.nats.value == pytest.approx(0.0)


def test_a_judge_that_always_says_a_is_never_consistent() -> None:
    found = position([opinion(str(n), chosen_first=1.5, chosen_second=-1.5) for n in range(9)])
    assert found is not None
    assert (found.consistency.value, found.first_twice.value, found.nats.value) == (0.0, 1.0, 1.5)


def test_opinions_without_both_orders_have_no_position() -> None:
    assert position([opinion("1", chosen_second=None)]) is None


def test_the_length_coefficient_is_the_log_odds_worked_out_by_hand() -> None:
    # All pairs differ by 10 words, so x is +1 or -1; the judge prefers the longer in 15 of 20, people in 10.
    # Firth with one coefficient of x = +-1 adds half a pair to each side: log(15.5 / 5.5).
    judged = [
        opinion(
            str(n),
            probability=0.9 if (n < 15) == (n % 2 == 0) else 0.1,
            words=(20, 10) if n % 2 == 0 else (10, 20),
        )
        for n in range(20)
    ]
    found = length(judged)
    assert found is not None
    assert found.words == 10
    assert found.judge.value == pytest.approx(math.log(15.5 / 5.5))
    assert found.people.value == pytest.approx(0.0, abs=1e-9)
    assert found.excess.low < found.excess.value < found.excess.high


def test_a_judge_that_only_reads_lengths_has_a_finite_coefficient() -> None:
    judged = [opinion(str(n), probability=0.9, words=(20, 10)) for n in range(10)]
    found = length(judged)
    assert found is not None
    assert found.judge.value == pytest.approx(math.log(10.5 / 0.5))


def test_equal_lengths_have_no_coefficient() -> None:
    assert length([opinion("1"), opinion("2")]) is None


def test_floors_are_those_of_the_rules_on_the_same_pairs() -> None:
    judged = [
        opinion("1", probability=0.9, words=(20, 10)),
        opinion("2", probability=0.9, words=(20, 10)),
        opinion("3", probability=0.9, words=(10, 20)),
        opinion("4", probability=0.1, words=(10, 10)),
        opinion("5", probability=None, words=(90, 10)),
    ]
    longer, shorter, first = floors(judged)
    assert [each.accuracy.value for each in (longer, shorter, first)] == pytest.approx(
        [2.5 / 4, 1.5 / 4, 0.5]
    )
    assert [each.margin.value for each in (longer, shorter, first)] == pytest.approx([0.5 / 4, 1.5 / 4, 0.25])


def test_flips_are_matched_by_id_and_told_by_direction() -> None:
    clean = [
        opinion(name, probability=each)
        for name, each in zip("abcde", (0.9, 0.9, 0.1, 0.9, None), strict=True)
    ]
    changed = [
        opinion(name, probability=each)
        for name, each in zip("edcba", (0.9, None, 0.8, 0.5, 0.1), strict=True)
    ]
    found = flips(clean, changed)
    assert found is not None
    # a falls (1), b falls to a tie (1/2), c rises (1), d is lost, e was unusable before.
    assert found.rate.value == pytest.approx(2.5 / 3)
    assert found.toward_chosen.value == pytest.approx(1 / 3)
    assert found.toward_rejected.value == pytest.approx(1.5 / 3)
    assert found.lost.value == pytest.approx(1 / 4)


def test_flips_of_other_pairs_are_an_error() -> None:
    with pytest.raises(ValueError, match="2 pairs are in one of the two alone, such as 'a'"):
        flips([opinion("a")], [opinion("b")])
    with pytest.raises(ValueError, match="two opinions have one id"):
        flips([opinion("a"), opinion("a")], [opinion("a")])


readings = st.lists(st.tuples(st.floats(-5, 5), st.floats(-5, 5)), min_size=2, max_size=15)


@given(readings)
def test_naming_pairs_the_other_way_leaves_position_as_it_is(rows: list[tuple[float, float]]) -> None:
    named = [opinion(str(at), chosen_first=f, chosen_second=s) for at, (f, s) in enumerate(rows)]
    # What was rejected, shown first, is what was chosen, shown second, with the other sign.
    turned = [opinion(str(at), chosen_first=-s, chosen_second=-f) for at, (f, s) in enumerate(rows)]
    one, other = position(named), position(turned)
    assert one is not None
    assert other is not None
    assert one.consistency.value == pytest.approx(other.consistency.value)
    assert one.first_twice.value == pytest.approx(other.first_twice.value)
    assert one.nats.value == pytest.approx(other.nats.value)
    total = one.consistency.value + one.first_twice.value + one.second_twice.value
    assert total == pytest.approx(1)


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 50), st.integers(0, 50)), min_size=2, max_size=15))
def test_longer_and_shorter_add_up_to_one(rows: list[tuple[bool, int, int]]) -> None:
    judged = [
        opinion(str(at), probability=0.9 if right else 0.1, words=(chosen, rejected))
        for at, (right, chosen, rejected) in enumerate(rows)
    ]
    longer, shorter, _ = floors(judged)
    assert longer.accuracy.value + shorter.accuracy.value == pytest.approx(1)
