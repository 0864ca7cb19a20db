"""How far the policy is from its reference: estimators of KL(pi || pi_ref) from samples of pi, in nats.

Log-probabilities of sampled tokens in, an estimate a token out (Schulman 2020, "Approximating KL
divergence"). `AdaptiveKL` moves the weight of the KL so that it stays near a target.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

_GAIN = 0.1
_MOST = 0.2


def k1(log_probs: Tensor, reference: Tensor) -> Tensor:
    """log pi - log pi_ref: right on average, negative on single tokens. What the reward has."""
    return log_probs - reference


def k3(log_probs: Tensor, reference: Tensor) -> Tensor:
    """r - 1 - log r with r = pi_ref / pi: right on average, never negative, and quieter. What is watched."""
    behind = reference - log_probs
    return torch.exp(behind) - 1 - behind


@dataclass(slots=True)
class AdaptiveKL:
    """The weight `beta`, moved after each rollout where there is a `target` (Ziegler et al. 2019, 2.2)."""

    beta: float
    target: float | None

    def observe(self, kl: float) -> None:
        """beta <- beta (1 + 0.1 clip(kl / target - 1, -0.2, 0.2)); `kl` is the mean of an answer, in nats."""
        if self.target is not None:
            error = min(max(kl / self.target - 1, -_MOST), _MOST)
            self.beta *= 1 + _GAIN * error
