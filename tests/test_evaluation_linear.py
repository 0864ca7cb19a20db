"""A linear model of a yes or no, fitted to numbers that are known."""

import math

import pytest

from evaluation.linear import Case, Linear, fit, linear_from_json


def test_log_odds_add_up_and_unknown_features_count_nothing() -> None:
    model = Linear(-1.0, {"a": 2.0, "b": 0.5})
    assert model.log_odds({"a": 1.0, "b": 2.0, "c": 9.0}) == pytest.approx(2.0)
    assert model.probability({"a": 0.5}) == pytest.approx(0.5)
    assert model.probability({"a": -1e6}) == 0.0


def test_a_feature_that_nothing_tells_apart_gets_the_shares_log_odds_as_bias() -> None:
    cases = [Case({"x": 1.0}, answer=number < 3) for number in range(12)]
    model = fit(cases, penalty=1e6)
    assert model.bias == pytest.approx(math.log(3 / 9), abs=1e-3)
    assert abs(model.weights.get("x", 0.0)) < 1e-3


def test_the_weight_solves_the_penalised_equation() -> None:
    # With a feature of +1 for yes and -1 for no, and as many of each, the bias is 0 and the weight w
    # solves n / (1 + exp(w)) = penalty * w: for n = 8 and penalty = 2, w = 0.9046.
    cases = [Case({"x": 1.0 if yes else -1.0}, answer=yes) for yes in (True, False) * 4]
    model = fit(cases, penalty=2.0)
    weight = model.weights["x"]
    assert 8 / (1 + math.exp(weight)) == pytest.approx(2.0 * weight, abs=5e-3)
    assert model.bias == pytest.approx(0.0, abs=1e-3)


def test_a_case_that_counts_twice_is_two_cases() -> None:
    once = [Case({"x": 1.0}, answer=True), Case({"x": 1.0}, answer=True), Case({"y": 1.0}, answer=False)]
    twice = [Case({"x": 1.0}, answer=True, weight=2.0), Case({"y": 1.0}, answer=False)]
    first, second = fit(once, penalty=0.5, least=1), fit(twice, penalty=0.5, least=1)
    assert first.weights == pytest.approx(second.weights, abs=2e-3)


def test_rare_features_are_left_out() -> None:
    cases = [Case({"x": 1.0, f"only {n}": 1.0}, answer=n % 2 == 0) for n in range(6)]
    assert all(not name.startswith("only") for name in fit(cases, penalty=0.1, least=2).weights)


def test_one_answer_for_all_cannot_be_learned() -> None:
    with pytest.raises(ValueError, match="nothing to learn"):
        fit([Case({"x": 1.0}, answer=True)] * 3, penalty=1.0)


def test_a_model_comes_back_from_json() -> None:
    assert linear_from_json({"bias": 1.0, "weights": {"a": -2.0}}) == Linear(1.0, {"a": -2.0})
