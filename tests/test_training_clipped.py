"""PPO's losses: the policy gradient where nothing has moved, and no gradient beyond the clip."""

import math

import pytest
import torch

from training.clipped import policy_losses, value_losses

ADVANTAGES = torch.tensor([[2.0, -1.0, 0.5]])


def test_where_the_policy_has_not_moved_the_gradient_is_the_policy_gradient() -> None:
    logits = torch.randn(1, 3, 7, generator=torch.Generator().manual_seed(0), requires_grad=True)
    told = logits.log_softmax(-1)[:, :, 2]
    proximal = torch.autograd.grad(
        policy_losses(told, told.detach(), ADVANTAGES, clip=0.2).losses.sum(), logits, retain_graph=True
    )
    plain = torch.autograd.grad(-(ADVANTAGES * told).sum(), logits)
    torch.testing.assert_close(proximal, plain)


@pytest.mark.parametrize(
    ("ratio", "advantage", "loss", "clipped"),
    [
        (1.5, 2.0, -2.4, True),  # better and already likelier by more than the clip: no further
        (0.5, 2.0, -1.0, False),  # better and less likely: back
        (0.5, -2.0, 1.6, True),
        (1.5, -2.0, 3.0, False),
        (1.1, 2.0, -2.2, False),
    ],
)
def test_the_losses_are_those_of_the_paper(
    ratio: float, advantage: float, loss: float, clipped: bool
) -> None:
    log_probs = torch.tensor([[math.log(ratio)]], requires_grad=True)
    found = policy_losses(log_probs, torch.zeros(1, 1), torch.tensor([[advantage]]), clip=0.2)
    assert found.losses.item() == pytest.approx(loss)
    assert bool(found.clipped.item()) is clipped
    found.losses.sum().backward()
    assert log_probs.grad is not None
    assert (log_probs.grad.item() == 0) is clipped


def test_a_value_that_moved_far_costs_at_least_what_a_near_one_does() -> None:
    values = torch.tensor([[1.0, 0.1, 0.0]], requires_grad=True)
    found = value_losses(values, torch.zeros(1, 3), torch.tensor([[1.0, 1.0, -1.0]]), clip=0.2)
    torch.testing.assert_close(found.losses, torch.tensor([[0.32, 0.405, 0.5]]))
    assert found.clipped.tolist() == [[1, 0, 0]]
