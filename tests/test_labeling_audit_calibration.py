"""Whether probabilities mean what they say."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from labeling.audit.calibration import (
    calibration,
    ece,
    equal_mass,
    equal_width,
    plain_ece,
    reliability,
    slope,
)
from labeling.audit.clustered import Clusters


def alone(n: int) -> Clusters:
    return Clusters.of([str(at) for at in range(n)])


def test_the_error_of_two_bins_is_worked_out_by_hand() -> None:
    # Confidence 0.95 four times, right three times: gap 0.2. Confidence 0.55 twice, right never: gap 0.55.
    probabilities = np.array([0.95, 0.95, 0.95, 0.05, 0.45, 0.45])
    assert plain_ece(probabilities, equal_width()) == pytest.approx((4 * 0.2 + 2 * 0.55) / 6)
    low, high = reliability(probabilities, equal_width())
    assert (low.n, low.confidence, low.right) == (2, pytest.approx(0.55), 0.0)
    assert (high.low, high.high, high.n, high.right) == (0.9, 1.0, 4, 0.75)


def test_equal_mass_has_as_many_pairs_in_each_bin() -> None:
    probabilities = np.linspace(0.5, 0.99, 50)
    bins = reliability(probabilities, equal_mass(probabilities))
    assert [each.n for each in bins] == [10] * 5


def test_brier_and_log_loss_are_those_of_people_s_choice() -> None:
    found = calibration(np.array([0.8, 0.4]), alone(2))
    assert found.brier.value == pytest.approx((0.04 + 0.36) / 2)
    assert found.log_loss.value == pytest.approx(-(math.log(0.8) + math.log(0.4)) / 2)


def test_the_slope_of_equal_log_odds_is_worked_out_by_hand() -> None:
    # Log-odds of 2 in every pair, right in 15 of 20; Firth adds half a pair to each: log(15.5 / 5.5) / 2.
    sure = 1 / (1 + math.exp(-2))
    found = slope(np.array([sure] * 15 + [1 - sure] * 5), alone(20))
    assert found.value == pytest.approx(math.log(15.5 / 5.5) / 2)


def test_the_slopes_interval_ends_where_a_score_test_over_prompts_refuses() -> None:
    sure = 1 / (1 + math.exp(-2))
    found = slope(np.array([sure] * 15 + [1 - sure] * 5), alone(20))

    def tested(coefficient: float) -> float:
        """15 pairs score 2 (1 - s), 5 score -2 s, with s the probability that the coefficient gives."""
        expected = 1 / (1 + math.exp(-2 * coefficient))
        length = math.sqrt(15 * (1 - expected) ** 2 + 5 * expected**2)
        return (15 * (1 - expected) - 5 * expected) / length

    # Student's 97.5 % point at 19 degrees of freedom.
    assert (tested(found.low), tested(found.high)) == (
        pytest.approx(2.093, abs=1e-3),
        pytest.approx(-2.093, abs=1e-3),
    )
    assert found.high - found.value > found.value - found.low


def test_the_slope_of_a_judge_without_a_mistake_has_ends() -> None:
    found = slope(np.array([0.9] * 20), alone(20))
    assert 0 < found.low < found.value < found.high < math.inf


def test_the_correction_takes_away_what_chance_adds() -> None:
    generator = np.random.default_rng(0)
    confidence = generator.uniform(0.5, 1, 400)
    right = generator.random(400) < confidence
    found = ece(np.where(right, confidence, 1 - confidence), alone(400), seed=1)
    assert found.low == 0
    assert found.value < 0.02


def test_a_judge_that_is_far_too_sure_is_found_out() -> None:
    found = ece(np.array([0.99] * 120 + [0.01] * 80), alone(200))
    assert found.value == pytest.approx(0.39, abs=0.005)
    assert 0.3 < found.low < 0.35
    assert 0.43 < found.high < 0.48


def test_certain_and_wrong_is_a_large_number_not_an_infinite_one() -> None:
    found = calibration(np.array([0.0, 1.0, 1.0]), alone(3))
    assert math.isfinite(found.log_loss.value)
    assert math.isfinite(slope(np.array([0.0, 1.0, 1.0]), alone(3)).value)


@given(st.lists(st.floats(0, 1), min_size=2, max_size=30))
def test_errors_are_within_bounds(probabilities: list[float]) -> None:
    found = calibration(np.array(probabilities), alone(len(probabilities)))
    for share in (found.ece_plain, found.ece_mass, found.brier.value):
        assert 0 <= share <= 1
    assert 0 <= found.ece.low <= found.ece.value <= found.ece.high <= 1
    assert sum(each.n for each in found.bins) == len(probabilities)
