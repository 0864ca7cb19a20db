"""Estimates of the KL: by hand, right on average, and the weight that is steered by them."""

import math

import pytest
import torch

from training.kl import AdaptiveKL, k1, k3


def test_both_estimates_are_the_formulas() -> None:
    log_probs, reference = torch.tensor([0.0, -1.0]), torch.tensor([-1.0, 0.0])
    assert k1(log_probs, reference).tolist() == [1, -1]
    torch.testing.assert_close(k3(log_probs, reference), torch.tensor([math.exp(-1), math.e - 2]))


def test_both_are_right_on_average_and_only_k1_is_negative() -> None:
    policy, reference = (
        torch.randn(9, generator=torch.Generator().manual_seed(seed)).double().log_softmax(0)
        for seed in (0, 1)
    )
    exact = (policy.exp() * (policy - reference)).sum()
    for estimate in (k1, k3):
        torch.testing.assert_close((policy.exp() * estimate(policy, reference)).sum(), exact)
    assert k1(policy, reference).min() < 0
    assert k3(policy, reference).min() >= 0


@pytest.mark.parametrize(
    ("kl", "beta"), [(6.0, 0.1), (6.6, 0.101), (60.0, 0.102), (5.4, 0.099), (0.0, 0.098)]
)
def test_the_weight_follows_the_target_by_two_hundredths_at_the_most(kl: float, beta: float) -> None:
    steered = AdaptiveKL(0.1, 6.0)
    steered.observe(kl)
    assert steered.beta == pytest.approx(beta)


def test_without_a_target_the_weight_stays() -> None:
    fixed = AdaptiveKL(0.1, None)
    fixed.observe(1000)
    assert fixed.beta == 0.1
