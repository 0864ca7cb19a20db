"""Divergences, gains and the curve through them."""

import math

import pytest
from outcome_fixtures import divergences, scores

from evaluation.figures.rewards import curves, kl, score_changes

BASE = [-1.0, 1.0] * 10
"""A mean of 0 and a standard deviation of 1."""


def checkpoint(name: str, distance: float, *, alpha: float, beta: float) -> tuple[list, list]:
    gain = distance * (alpha - beta * math.log(distance))
    return scores(name, [one + gain for one in BASE]), divergences(name, [distance**2] * 20)


def test_kl_is_the_mean_log_ratio_of_the_models_own_answers() -> None:
    found = kl(divergences("dpo", [1.0, 2.0, 3.0, 6.0]))
    assert found is not None
    assert found.value == 3
    assert found.low < 3 < found.high
    assert kl([]) is None


def test_a_gain_is_in_standard_deviations_of_the_base_on_the_same_prompts() -> None:
    base = scores("base", [10.0, 14.0])  # deviation 2
    found = score_changes(scores("dpo", [13.0, 19.0]), base)["reward"]
    assert found.mean.value == 16
    assert found.gain is not None
    assert found.gain.value == pytest.approx((3 / 2 + 5 / 2) / 2)
    assert score_changes(base, [])["reward"].gain is None


def test_the_curve_of_gao_et_al_is_found_again() -> None:
    planted = [checkpoint(f"step-{at}", at, alpha=1.0, beta=0.5) for at in (0.5, 1.0, 2.0, 4.0)]
    given = [one for each, _ in planted for one in each]
    moved = [one for _, each in planted for one in each]
    names = ["base", *(f"step-{at}" for at in (0.5, 1.0, 2.0, 4.0))]
    (found,) = curves([*scores("base", BASE), *given], moved, base="base", names=names)
    assert found.alpha is not None
    assert found.beta is not None
    assert (found.alpha.value, found.beta.value) == pytest.approx((1.0, 0.5))
    # The derivative alpha - beta - beta log d is 0 at exp(2 - 1).
    assert found.peak == pytest.approx(math.e)
    assert found.at(1.0) == pytest.approx(1.0)
    assert [point.distance for point in found.points] == pytest.approx([0.5, 1.0, 2.0, 4.0])


def test_two_checkpoints_are_too_few_for_a_curve() -> None:
    planted = [checkpoint(name, at, alpha=1, beta=0.5) for name, at in (("a", 1.0), ("b", 2.0))]
    given = [one for each, _ in planted for one in each]
    moved = [one for _, each in planted for one in each]
    (found,) = curves([*scores("base", BASE), *given], moved, base="base", names=["base", "a", "b"])
    assert (found.alpha, found.beta, found.peak, found.at(1.0)) == (None, None, None, None)
    assert len(found.points) == 2


def test_each_run_of_a_model_is_a_point_of_its_own() -> None:
    given = [one for run in ("0", "1", "2") for one in scores("dpo", [2.0] * 20, run=run)]
    moved = [one for run in ("0", "1", "2") for one in divergences("dpo", [float(run) + 1] * 20, run=run)]
    (found,) = curves([*scores("base", BASE), *given], moved, base="base", names=["base", "dpo"])
    assert [point.name for point in found.points] == ["dpo 0", "dpo 1", "dpo 2"]
    assert [point.distance**2 for point in found.points] == pytest.approx([1, 2, 3])


def test_a_policy_that_did_not_move_stands_at_the_base() -> None:
    planted = {"a": 0.0, "b": 1.0, "c": 4.0}
    given = [one for name in planted for one in scores(name, [one + planted[name] for one in BASE])]
    moved = [one for name, at in planted.items() for one in divergences(name, [at - 0.001] * 20)]
    (found,) = curves([*scores("base", BASE), *given], moved, base="base", names=["base", *planted])
    assert found.points[0].distance == 0
    assert found.alpha is not None
