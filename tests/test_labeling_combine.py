"""From readings to verdicts, against numbers worked out by hand."""

import math
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labeling.combine import SURE, clamped, combined, elected, log_odds, sigmoid, verdict
from labeling.model import Reading, Vote, mean_logit, orders_agree
from labeling.settings import Combine, LabelingSettings

LOGITS = st.floats(-30, 30)
RULES = st.sampled_from(get_args(Combine))
VOTES = st.lists(st.tuples(LOGITS, LOGITS), min_size=1, max_size=5)


def reading(logit: float | None, mass: float | None = 0.9, *, refused: bool = False) -> Reading:
    return Reading(logit, mass, True, refused=refused)


def vote(forward: float, backward: float, settings: LabelingSettings | None = None) -> Vote:
    readings = reading(forward), reading(backward)
    return Vote("p", "judge", False, *readings, combined(*readings, settings or LabelingSettings()))


def counted(probability: float | None) -> Vote:
    return Vote("p", "judge", False, reading(1.0), reading(-1.0), probability)


def test_both_orders_are_averaged_as_probabilities_or_as_logits() -> None:
    # P(A) = 0.8 in the first order, 0.4 in the second: P(first) = (0.8 + 0.6) / 2.
    forward, backward = reading(math.log(4)), reading(math.log(2 / 3))
    assert combined(forward, backward, LabelingSettings()) == pytest.approx(0.7)
    # (ln 4 - ln 2/3) / 2 = ln 6 / 2, and sigma of that is sqrt 6 / (1 + sqrt 6).
    expected = math.sqrt(6) / (1 + math.sqrt(6))
    assert combined(forward, backward, LabelingSettings(combine="mean_logit")) == pytest.approx(expected)


def test_votes_are_averaged_as_probabilities_or_as_log_odds() -> None:
    votes = [counted(0.9), counted(0.5), counted(0.4), counted(None)]
    assert elected(votes, "mean_probability") == pytest.approx(0.6)
    # Odds 9, 1 and 2/3: their geometric mean is the cube root of 6.
    assert elected(votes, "mean_logit") == pytest.approx(6 ** (1 / 3) / (1 + 6 ** (1 / 3)))
    assert elected([counted(None)], "mean_logit") is None
    assert elected([counted(0.7)], "mean_logit") == 0.7


def test_a_vote_that_is_quite_sure_is_outvoted_all_the_same() -> None:
    assert log_odds(1.0) == SURE
    assert log_odds(0.0) == -SURE
    assert elected([counted(1.0), counted(0.0)], "mean_logit") == 0.5


@given(LOGITS, LOGITS, st.floats(-20, 20))
def test_the_mean_logit_cancels_any_additive_position_bias(one: float, other: float, bias: float) -> None:
    settings = LabelingSettings(combine="mean_logit")
    fair = combined(reading(one), reading(other), settings)
    biased = combined(reading(one + bias), reading(other + bias), settings)
    assert fair == pytest.approx(biased, abs=1e-9)


@given(VOTES, st.floats(-10, 10))
def test_so_do_the_means_of_several_votes(orders: list[tuple[float, float]], bias: float) -> None:
    settings = LabelingSettings(combine="mean_logit", combine_votes="mean_logit")
    fair = elected([vote(f, b, settings) for f, b in orders], "mean_logit")
    biased = elected([vote(f + bias, b + bias, settings) for f, b in orders], "mean_logit")
    assert fair == pytest.approx(biased, abs=1e-9)


@given(VOTES, RULES, RULES)
def test_swapping_the_responses_turns_the_probability_round(
    orders: list[tuple[float, float]], of_orders: Combine, of_votes: Combine
) -> None:
    settings = LabelingSettings(combine=of_orders, combine_votes=of_votes)
    straight = elected([vote(f, b, settings) for f, b in orders], of_votes)
    turned = elected([vote(b, f, settings) for f, b in orders], of_votes)
    assert straight is not None
    assert turned == pytest.approx(1 - straight, abs=1e-9)


def test_little_label_mass_in_either_order_is_unparsed() -> None:
    settings = LabelingSettings(min_label_mass=0.5)
    assert combined(reading(3), reading(-3, mass=0.4), settings) is None
    assert combined(reading(3), reading(-3, mass=None), settings) is not None
    assert combined(reading(3), reading(None, mass=None), settings) is None
    assert verdict([counted(None)], None, settings) == "unparsed"


def test_a_judgment_without_a_vote_is_refused_where_a_judge_declined() -> None:
    declined = Vote("p", "judge", False, reading(None, refused=True), reading(1.0), None)
    assert verdict([counted(None), declined], None, LabelingSettings()) == "refused"
    assert verdict([counted(0.9), declined], 0.9, LabelingSettings()) == "first"


def test_ties_are_a_margin_or_a_disagreement_by_choice() -> None:
    split = [vote(2.0, 1.0)]  # A both times
    assert verdict(split, 0.6, LabelingSettings()) == "first"
    assert verdict(split, 0.6, LabelingSettings(tie_margin=0.1)) == "tie"
    assert verdict(split, 0.6, LabelingSettings(require_agreement=True)) == "tie"
    assert verdict(split, 0.5, LabelingSettings()) == "tie"
    assert verdict(split, 0.4, LabelingSettings()) == "second"


def test_a_rounding_error_of_float32_is_no_preference() -> None:
    settings = LabelingSettings(combine="mean_logit")
    for forward, backward in ((-0.49999994, -0.5), (10.0, 10.000001)):
        rounded = combined(reading(forward), reading(backward), settings)
        assert rounded != 0.5
        assert verdict([counted(rounded)], rounded, settings) == "tie"


def test_the_orders_of_several_votes_are_those_of_their_means() -> None:
    votes = [vote(2.0, 1.0), vote(1.0, -3.0)]
    assert mean_logit(votes, "forward") == 1.5
    assert mean_logit(votes, "backward") == -1.0
    assert orders_agree(votes)
    assert not orders_agree(votes[:1])


def test_votes_that_do_not_count_are_in_the_means_only_where_none_counts() -> None:
    lost = Vote("p", "judge", False, reading(8.0, mass=0.0), reading(8.0), None)
    assert mean_logit([lost, vote(2.0, -2.0)], "forward") == 2.0
    assert mean_logit([lost], "forward") == 8.0
    assert mean_logit([Vote("p", "judge", False, reading(None), reading(None), None)], "forward") is None


def test_clamping_limits_the_probability() -> None:
    assert clamped(0.99, (0.4, 0.6)) == 0.6
    assert clamped(0.01, (0.4, 0.6)) == 0.4
    assert clamped(0.55, (0.4, 0.6)) == 0.55
    assert clamped(None, (0.4, 0.6)) is None


@given(st.floats(-700, 700))
def test_log_odds_turn_a_sigmoid_back(x: float) -> None:
    assert 0 <= sigmoid(x) <= 1
    assert log_odds(sigmoid(x)) == pytest.approx(max(min(x, SURE), -SURE), rel=1e-2, abs=1e-9)
