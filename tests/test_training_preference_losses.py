"""The losses of online preference optimisation, by hand."""

import math

import pytest
import torch

from training.preference_losses import LOSSES, ipo_losses, sigmoid_losses


def test_nothing_moved_is_ln_2_by_dpo_whatever_the_label() -> None:
    told = sigmoid_losses(torch.zeros(3), torch.tensor([1.0, 0.8, 0.5]), 0.1)
    assert told.tolist() == pytest.approx([math.log(2)] * 3, abs=1e-6)


def test_nothing_moved_is_a_quarter_of_one_by_beta_squared_by_ipo() -> None:
    assert ipo_losses(torch.zeros(1), torch.ones(1), 0.1).item() == pytest.approx(25, abs=1e-5)
    assert ipo_losses(torch.zeros(1), torch.tensor([0.5]), 0.1).item() == 0


def test_dpo_is_the_papers_formula() -> None:
    told = sigmoid_losses(torch.tensor([2.0]), torch.tensor([1.0]), 0.5)
    assert told.item() == pytest.approx(math.log(1 + math.exp(-1)), abs=1e-6)
    told = sigmoid_losses(torch.tensor([2.0]), torch.tensor([0.75]), 0.5)
    expected = 0.75 * math.log(1 + math.exp(-1)) + 0.25 * math.log(1 + math.e)
    assert told.item() == pytest.approx(expected, abs=1e-6)


def test_ipo_is_the_papers_formula() -> None:
    assert ipo_losses(torch.tensor([3.0]), torch.tensor([1.0]), 0.25).item() == pytest.approx(1.0)
    assert ipo_losses(torch.tensor([3.0]), torch.tensor([0.75]), 0.25).item() == pytest.approx(4.0)


@pytest.mark.parametrize(("name", "least"), [("sigmoid", math.log(4) / 0.2), ("ipo", 0.6 / 0.4)])
def test_a_soft_label_is_met_where_the_loss_is_least(name: str, least: float) -> None:
    """P = 0.8 at beta 0.2: log-odds ln 4 over beta by DPO, (2 P - 1) / (2 beta) by IPO."""
    h = torch.tensor([least], requires_grad=True)
    LOSSES[name](h, torch.tensor([0.8]), 0.2).sum().backward()  # type: ignore[index]
    assert h.grad is not None
    assert h.grad.item() == pytest.approx(0, abs=1e-5)


def test_ipo_of_a_soft_label_has_the_gradient_of_both_labels_mean() -> None:
    h = torch.tensor([1.0], requires_grad=True)
    for target, weight in ((1.0, 0.7), (0.0, 0.3)):
        (weight * ipo_losses(h, torch.tensor([target]), 0.2)).sum().backward()
    assert h.grad is not None
    mean = h.grad.clone()
    h.grad = None
    ipo_losses(h, torch.tensor([0.7]), 0.2).sum().backward()
    torch.testing.assert_close(h.grad, mean)
