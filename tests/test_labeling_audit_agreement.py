"""A judge's agreement with people."""

from collections.abc import Sequence

import pytest
from audit_opinions import opinion
from hypothesis import given
from hypothesis import strategies as st

from labeling.audit.agreement import accuracy, agreement, kappa, one_order, unparsed


def opinions(probabilities: Sequence[float | None]):
    return [opinion(str(at), probability=each) for at, each in enumerate(probabilities)]


def test_ties_count_half_and_unparsed_opinions_are_counted_apart() -> None:
    judged = opinions([0.9, 0.8, 0.2, 0.5, None])
    assert accuracy(judged).value == pytest.approx(2.5 / 4)
    assert accuracy(judged).n == 4
    assert unparsed(judged).value == pytest.approx(1 / 5)
    assert agreement(judged).ties == 1


def test_a_margin_makes_ties() -> None:
    assert accuracy(opinions([0.9, 0.55, 0.45, 0.1]), tie_margin=0.1).value == pytest.approx(0.5)
    assert agreement(opinions([0.9, 0.55, 0.45, 0.9]), tie_margin=0.1).ties == 2


def test_kappa_is_that_of_the_table_with_both_namings() -> None:
    # 6 right, 2 wrong, 2 ties. Both namings, people by judge (first, second, tie): 6 2 2 and 2 6 2 of 20.
    # Observed 12/20 = 0.6; expected (10 * 8 + 10 * 8 + 0 * 4) / 400 = 0.4; kappa (0.6 - 0.4) / 0.6 = 1/3.
    judged = opinions([0.9] * 6 + [0.1] * 2 + [0.5] * 2)
    assert kappa(judged).value == pytest.approx(1 / 3)


def test_kappa_without_ties_is_twice_the_accuracy_less_one() -> None:
    judged = opinions([0.9] * 7 + [0.1] * 3)
    assert kappa(judged).value == pytest.approx(0.4)
    assert kappa(judged).low == pytest.approx(2 * accuracy(judged).low - 1)


def test_one_order_is_the_mean_of_both_readings() -> None:
    both = opinion("1", chosen_first=2.0, chosen_second=1.0, probability=0.8)
    split = opinion("2", chosen_first=2.0, chosen_second=-1.0, probability=0.6)
    found = one_order([both, split])
    assert found is not None
    assert found.value == pytest.approx(0.75)


def test_each_kind_has_its_own_figures_and_its_own_unparsed() -> None:
    judged = [
        opinion("1", probability=0.9, kind="honest"),
        opinion("2", probability=0.1, kind="harmless"),
        opinion("3", probability=None, kind="harmless"),
        opinion("4", probability=None, kind="other"),
    ]
    kinds = agreement(judged).by_kind
    assert list(kinds) == ["harmless", "honest", "other"]
    assert (kinds["harmless"].pairs, kinds["harmless"].unparsed) == (2, 1)
    assert kinds["honest"].accuracy is not None
    assert kinds["honest"].accuracy.value == 1
    assert kinds["other"].accuracy is None


def test_nothing_usable_is_an_error() -> None:
    with pytest.raises(ValueError, match="at least one pair"):
        accuracy(opinions([None, None]))


@given(st.lists(st.floats(0, 1), min_size=2, max_size=20))
def test_naming_all_pairs_the_other_way_turns_accuracy_and_kappa_round(probabilities: list[float]) -> None:
    turned = opinions([1 - each for each in probabilities])
    assert accuracy(turned).value == pytest.approx(1 - accuracy(opinions(list(probabilities))).value)
    found, other = kappa(opinions(list(probabilities))), kappa(turned)
    assert other.value == pytest.approx(-found.value)
    assert -1 <= found.low <= found.high <= 1
