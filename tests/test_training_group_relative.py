"""GRPO's arithmetic against the paper, worked out by hand."""

import math

import hypothesis.strategies as st
import pytest
import torch
from hypothesis import given

from training.group_relative import Mean, group_advantages, kl_losses, shares, surrogate


def tensor(*rows: object) -> torch.Tensor:
    return torch.tensor(rows, dtype=torch.float64)


def test_an_advantage_is_the_lead_over_the_group_in_standard_deviations() -> None:
    """Scores 1, 2, 3, 6: mean 3, squares 4 + 1 + 0 + 9 = 14, Bessel 14 / 3."""
    found = group_advantages(tensor(1, 2, 3, 6), 4, scaled="group")
    sd = math.sqrt(14 / 3) + 1e-4
    assert found.advantages.tolist() == pytest.approx([-2 / sd, -1 / sd, 0, 3 / sd], abs=1e-9)
    assert found.flat == 0


def test_a_group_without_variance_teaches_nothing() -> None:
    found = group_advantages(tensor(0.1, 0.1, 0.1, 0, 1, 1), 3, scaled="group")
    assert found.advantages[:3].tolist() == [0, 0, 0]
    assert found.advantages[3] < 0 < found.advantages[4]
    assert found.flat == 0.5


def test_advantages_are_scaled_by_the_rollout_or_not_at_all() -> None:
    scores = tensor(0, 2, 4, 4)
    assert group_advantages(scores, 2, scaled="none").advantages.tolist() == [-1, 1, 0, 0]
    sd = math.sqrt(11 / 3) + 1e-4
    batch = group_advantages(scores, 2, scaled="batch").advantages
    assert batch.tolist() == pytest.approx([-1 / sd, 1 / sd, 0, 0])


@given(st.lists(st.floats(-10, 10), min_size=4, max_size=4), st.floats(-5, 5), st.floats(0.5, 4))
def test_a_group_knows_no_zero_and_no_unit(scores: list[float], shift: float, scale: float) -> None:
    plain = group_advantages(tensor(*scores), 4, scaled="group").advantages
    moved = group_advantages(tensor(*scores) * scale + shift, 4, scaled="group").advantages
    assert plain.sum().item() == pytest.approx(0, abs=1e-6)
    if torch.tensor(scores).std() > 0.5:
        torch.testing.assert_close(moved, plain, rtol=1e-3, atol=1e-3)


def test_the_loss_is_the_papers() -> None:
    """Ratios 1.5, 0.5, 1: the first is held at 1.2 where the answer is good, the second at 0.8 where bad."""
    ratios = tensor([1.5, 0.5, 1.0], [1.5, 0.5, 1.0])
    mask = torch.ones(2, 3, dtype=torch.float64)
    found = surrogate(
        ratios.log(), torch.zeros_like(ratios), tensor([2], [-2]), mask, low=0.2, high=0.2, level="token"
    )
    assert found.losses.tolist() == [
        pytest.approx([-2 * 1.2, -2 * 0.5, -2.0]),
        pytest.approx([2 * 1.5, 2 * 0.8, 2.0]),
    ]
    assert found.high.tolist() == [[1, 0, 0], [0, 0, 0]]
    assert found.low.tolist() == [[0, 0, 0], [0, 1, 0]]


def test_by_sequence_the_ratio_is_the_geometric_mean_of_an_answers_tokens() -> None:
    moved = tensor([0.3, -0.1, 9.0])
    mask = tensor([1, 1, 0])
    found = surrogate(moved, 0 * moved, tensor([1]), mask, low=0.2, high=0.5, level="sequence")
    assert found.losses[0].tolist() == pytest.approx([-math.exp(0.1)] * 3)


def test_at_the_start_the_gradient_is_the_policy_gradient() -> None:
    log_probs = tensor([-1.0, -2.0], [-0.5, -3.0]).requires_grad_()
    mask = torch.ones(2, 2, dtype=torch.float64)
    advantages = tensor([1.5], [-0.5])
    found = surrogate(log_probs, log_probs.detach(), advantages, mask, low=0.2, high=0.2, level="token")
    found.losses.sum().backward()
    assert log_probs.grad is not None
    assert log_probs.grad.tolist() == [[-1.5, -1.5], [0.5, 0.5]]


def test_the_kl_is_the_papers_estimate_and_its_gradient_that_of_the_kl_only_by_the_ratio() -> None:
    """Over two words with pi = (0.8, 0.2) and reference (0.5, 0.5): expected gradients by the logit."""
    logit = torch.tensor(math.log(4), dtype=torch.float64, requires_grad=True)
    reference = tensor(0.5, 0.5).log()

    def log_pi() -> torch.Tensor:
        return torch.stack([torch.nn.functional.logsigmoid(logit), torch.nn.functional.logsigmoid(-logit)])

    told, sampled = log_pi(), log_pi().detach().exp()
    kl = (log_pi().exp() * (log_pi() - reference)).sum()
    [of_kl] = torch.autograd.grad(kl, logit)
    forward = -(reference.exp() * log_pi()).sum()
    [of_forward] = torch.autograd.grad(forward, logit)
    plain = (sampled * kl_losses(told, reference, None)).sum()
    weighed = (sampled * kl_losses(told, reference, torch.exp(told - told.detach()))).sum()
    assert plain.item() == pytest.approx(kl.item()) == weighed.item()
    [of_plain] = torch.autograd.grad(plain, logit, retain_graph=True)
    [of_weighed] = torch.autograd.grad(weighed, logit)
    assert of_weighed.item() == pytest.approx(of_kl.item())
    assert of_plain.item() == pytest.approx(of_forward.item())
    assert of_plain.item() != pytest.approx(of_kl.item(), abs=1e-2)


@pytest.mark.parametrize(
    ("mean", "wanted"),
    [
        ("dapo", [[1 / 4, 1 / 4, 1 / 4], [1 / 4, 0, 0]]),
        ("grpo", [[1 / 6, 1 / 6, 1 / 6], [1 / 2, 0, 0]]),
        ("dr_grpo", [[1 / 20, 1 / 20, 1 / 20], [1 / 20, 0, 0]]),
    ],
)
def test_a_tokens_share_of_the_loss(mean: Mean, wanted: list[list[float]]) -> None:
    mask = tensor([1, 1, 1], [1, 0, 0])
    whole = shares(mask, mask, mean=mean, longest=10)
    assert whole.tolist() == [pytest.approx(row) for row in wanted]
    parts = [shares(mask[i : i + 1], mask, mean=mean, longest=10) for i in range(2)]
    assert torch.equal(torch.cat(parts), whole)


def test_answers_that_are_left_out_have_no_share_and_no_count() -> None:
    mask = tensor([1, 1, 1], [0, 0, 0])
    assert shares(mask, mask, mean="grpo", longest=10).tolist() == [[pytest.approx(1 / 3)] * 3, [0, 0, 0]]
    assert shares(0 * mask, 0 * mask, mean="grpo", longest=10).sum() == 0
