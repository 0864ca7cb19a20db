"""The loss of a pair of rewards, against numbers worked out by hand."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from training.bradley_terry import centring, pair_losses, source_weights

REWARDS = st.floats(-20, 20)


def losses(ahead: float | Tensor, *, target: float = 1.0, margin: float = 0.0) -> Tensor:
    chosen = torch.as_tensor(ahead, dtype=torch.float64)
    given = (torch.as_tensor(value, dtype=torch.float64) for value in (target, margin))
    target_, margin_ = given
    return pair_losses(chosen, torch.zeros_like(chosen), target=target_, margin=margin_)


def test_a_hard_label_costs_minus_log_sigmoid_of_the_difference() -> None:
    assert losses(0.0).item() == pytest.approx(math.log(2))
    # sigmoid(ln 3) = 3/4
    assert losses(math.log(3)).item() == pytest.approx(math.log(4 / 3))
    assert losses(-math.log(3)).item() == pytest.approx(math.log(4))


def test_a_margin_is_what_chosen_has_to_be_ahead_besides() -> None:
    assert losses(1.0 + math.log(3), margin=1.0).item() == pytest.approx(math.log(4 / 3))


def test_a_soft_label_costs_the_cross_entropy_of_both_outcomes() -> None:
    # 0.8 x ln(4/3) + 0.2 x ln 4
    assert losses(math.log(3), target=0.8).item() == pytest.approx(0.507404, abs=1e-6)


def test_the_loss_is_least_where_the_model_says_the_labels_probability() -> None:
    for target in (0.5, 0.6, 0.9):
        best = torch.tensor(math.log(target / (1 - target)), dtype=torch.float64, requires_grad=True)
        losses(best, target=target).backward()
        assert best.grad is not None
        assert best.grad.item() == pytest.approx(0, abs=1e-12)


def test_a_tie_has_no_gradient_where_neither_is_ahead() -> None:
    ahead = torch.zeros((), dtype=torch.float64, requires_grad=True)
    losses(ahead, target=0.5).backward()
    assert ahead.grad == 0


@given(REWARDS, REWARDS, st.floats(0, 1))
def test_the_gradient_is_what_the_model_says_less_the_label(
    chosen: float, rejected: float, target: float
) -> None:
    better, worse = (torch.tensor(r, dtype=torch.float64, requires_grad=True) for r in (chosen, rejected))
    label = torch.tensor(target, dtype=torch.float64)
    pair_losses(better, worse, target=label, margin=torch.zeros_like(label)).backward()
    expected = 1 / (1 + math.exp(-(chosen - rejected))) - target
    assert better.grad is not None
    assert better.grad.item() == pytest.approx(expected, abs=1e-9)


@given(REWARDS, REWARDS, st.floats(0, 1))
def test_a_pair_named_the_other_way_round_costs_the_same(
    chosen: float, rejected: float, target: float
) -> None:
    a, b, p = (torch.tensor(value, dtype=torch.float64) for value in (chosen, rejected, target))
    one, other = (
        pair_losses(*pair, target=label, margin=torch.zeros_like(p))
        for pair, label in (((a, b), p), ((b, a), 1 - p))
    )
    assert one.item() == pytest.approx(other.item(), abs=1e-9)


def test_centring_is_the_squared_sum_of_the_pair() -> None:
    assert centring(torch.tensor([1.5, -1.0]), torch.tensor([0.5, 1.0])).tolist() == [4.0, 0.0]


def test_sources_weigh_the_same_together_and_pairs_one_in_the_mean() -> None:
    assert source_weights(["revision", "hard_negative", "hard_negative", "hard_negative"]) == {
        "revision": 2.0,
        "hard_negative": pytest.approx(2 / 3),
    }
    assert source_weights(["revision"] * 3) == {"revision": 1.0}
