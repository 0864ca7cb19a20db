"""Win rates, plain and at equal length."""

import math

import pytest
from outcome_fixtures import compared

from evaluation.figures.wins import wins


def test_a_win_rate_counts_a_tie_and_the_same_answer_as_half() -> None:
    found = wins(compared("dpo", ["model", "model", "model", "tie", "identical", "against", "unparsed"]))
    assert found is not None
    assert found.rate.value == pytest.approx(4 / 6)
    assert (found.pairs, found.silent, found.rate.clusters) == (7, 1, 6)


def test_a_preference_is_the_mean_of_the_judges_probabilities() -> None:
    found = wins(compared("dpo", ["model", "model", "against", "tie"]))
    assert found is not None
    assert found.preference.value == pytest.approx((0.9 + 0.9 + 0.1 + 0.5) / 4)


def test_nothing_that_could_be_read_is_no_rate() -> None:
    assert wins(compared("dpo", ["unparsed", "refused"])) is None


def test_at_equal_length_the_two_lengths_log_odds_are_averaged() -> None:
    # Longer by ten 20 times, 16 wins; shorter by ten 20 times, 8 wins. Two coefficients fit both lengths, and
    # Firth's penalty then adds half a win and half a loss to each: log(16.5 / 4.5), log(8.5 / 12.5).
    winners = ["model"] * 16 + ["against"] * 4 + ["model"] * 8 + ["against"] * 12
    found = wins(compared("dpo", winners, words=[(20, 10)] * 20 + [(10, 20)] * 20))
    level = (math.log(16.5 / 4.5) + math.log(8.5 / 12.5)) / 2
    assert found is not None
    assert found.rate.value == pytest.approx(24 / 40)
    assert found.length_controlled is not None
    assert found.length_controlled.value == pytest.approx(1 / (1 + math.exp(-level)), abs=1e-6)
    assert found.length_controlled.low < found.length_controlled.value < found.length_controlled.high
    assert found.slope is not None
    assert found.slope.value == pytest.approx(
        (math.log(16.5 / 4.5) - math.log(8.5 / 12.5)) / 2 / math.tanh(1), abs=1e-6
    )


def test_a_judge_that_likes_length_alone_prefers_nobody_at_equal_length() -> None:
    words = [(30, 10)] * 30 + [(10, 30)] * 10
    found = wins(compared("dpo", ["model"] * 30 + ["against"] * 10, words=words))
    assert found is not None
    assert found.rate.value == 0.75
    assert found.length_controlled is not None
    assert found.length_controlled.low < 0.5 < found.length_controlled.high


def test_one_length_throughout_says_nothing_of_length() -> None:
    found = wins(compared("dpo", ["model"] * 20))
    assert found is not None
    assert found.length_controlled is None
    assert found.slope is None


def test_several_runs_of_a_prompt_are_one_cluster() -> None:
    runs = [one for run in ("0", "1", "2") for one in compared("dpo", ["model", "against"] * 10, run=run)]
    found = wins(runs)
    assert found is not None
    assert (found.rate.n, found.rate.clusters) == (60, 20)
