"""How rewards are to be read: errors, mean, spread and temperature, against numbers worked out by hand."""

import math
from pathlib import Path

import numpy as np
import pytest

from training.scale import Rated, Scale, errors, errors_by_source, fitted, read_scale, write_scale

LN_3, LN_4 = math.log(3), math.log(4)


def rated(ahead: list[float], target: list[float] | None = None, *, source: list[str] | None = None) -> Rated:
    """Rejected gets 1, chosen so much more."""
    count = len(ahead)
    return Rated(
        np.array(ahead) + 1,
        np.ones(count),
        np.array(target or [1.0] * count),
        tuple(map(str, range(count))),
        tuple(source or [""] * count),
    )


def test_accuracy_counts_a_draw_as_half() -> None:
    told = errors(rated([2.0, 0.5, -1.0, 0.0]))
    assert told["held_out_accuracy"] == pytest.approx(2.5 / 4)
    assert told["held_out_accuracy_low"] < 0.4 < 0.8 < told["held_out_accuracy_high"]


def test_each_source_has_its_own_errors_where_there_are_several() -> None:
    sources = ["hard_negative", "hard_negative", "revision", "revision"]
    assert errors_by_source(rated([2.0, 1.0, -1.0, 0.0], source=sources)) == {
        "held_out_pairs/hard_negative": 2,
        "held_out_accuracy/hard_negative": 1.0,
        "held_out_margin/hard_negative": 1.5,
        "held_out_pairs/revision": 2,
        "held_out_accuracy/revision": 0.25,
        "held_out_margin/revision": -0.5,
    }
    assert errors_by_source(rated([2.0, 1.0], source=["revision"] * 2)) == {}


def test_one_pair_is_enough_to_measure_on() -> None:
    assert errors(rated([1.0]))["held_out_accuracy"] == 1.0
    assert fitted(rated([1.0]), held_out=True).sd == pytest.approx(math.sqrt(0.5))


def test_the_losses_of_hard_labels() -> None:
    # sigmoid is 3/4 and 1/4.
    told = errors(rated([LN_3, -LN_3]))
    assert told["held_out_loss"] == pytest.approx((math.log(4 / 3) + LN_4) / 2)
    assert told["held_out_brier"] == pytest.approx((0.25**2 + 0.75**2) / 2)
    # Both are sure by 3/4, and half of them are right.
    assert told["held_out_ece"] == pytest.approx(0.25)
    assert told["held_out_label_entropy"] == 0


def test_a_model_that_says_the_soft_labels_is_calibrated_and_costs_their_entropy() -> None:
    told = errors(rated([LN_3, LN_4], [0.75, 0.8]))
    assert told["held_out_ece"] == pytest.approx(0)
    entropy = sum(-(p * math.log(p) + (1 - p) * math.log(1 - p)) for p in (0.75, 0.8)) / 2
    assert told["held_out_loss"] == pytest.approx(entropy) == pytest.approx(told["held_out_label_entropy"])
    # p (1 - p)^2 + (1 - p) p^2 = p (1 - p)
    assert told["held_out_brier"] == pytest.approx((0.75 * 0.25 + 0.8 * 0.2) / 2)


def test_the_scale_is_that_of_the_policys_samples_where_there_are_any() -> None:
    pairs = rated([2.0, 9.0], source=["best_of_n", "revision"])
    scale = fitted(pairs, held_out=True)
    # 3 and 1
    assert (scale.mean, scale.sd, scale.responses) == (2.0, pytest.approx(math.sqrt(2)), 2)
    assert scale.fitted_on == "the policy's samples of held-out pairs"
    assert scale.normalized(2.0 + math.sqrt(2)) == pytest.approx(1)


def test_else_that_of_all_responses_and_without_held_out_pairs_there_is_no_temperature() -> None:
    scale = fitted(rated([2.0, 2.0]), held_out=False)
    assert (scale.mean, scale.responses, scale.temperature) == (2.0, 4, None)
    assert scale.fitted_on == "both responses of pairs that were learned from"


def test_rewards_that_are_all_alike_have_a_spread_that_can_be_divided_by() -> None:
    assert fitted(rated([0.0, 0.0]), held_out=True).sd == 1.0


def test_the_temperature_makes_log_odds_of_differences() -> None:
    generator = np.random.default_rng(0)
    log_odds = generator.normal(0, 1.5, 400)
    labels = 1 / (1 + np.exp(-log_odds))
    # Every reward three times too large.
    scale = fitted(rated((3 * log_odds).tolist(), labels.tolist()), held_out=True)
    assert scale.temperature == pytest.approx(3, rel=0.05)


def test_the_temperature_of_a_model_that_is_wrong_ends_somewhere() -> None:
    assert fitted(rated([-3.0] * 20), held_out=True).temperature == 1000


def test_a_scale_is_read_as_it_was_written(tmp_path: Path) -> None:
    scale = Scale(0.5, 2.0, "held-out", 8, 1.25)
    write_scale(tmp_path, scale)
    assert read_scale(tmp_path) == scale
