"""What PPO makes small: log-probabilities, advantages, values in, a loss a token out.

All tensors are (answers, tokens). `old` is what the same model said when the answers were sampled.
"""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True)
class Clipped:
    """A loss a token, and whether (1 or 0) the clip decides it, so that it has no gradient."""

    losses: Tensor
    clipped: Tensor


def policy_losses(log_probs: Tensor, old: Tensor, advantages: Tensor, *, clip: float) -> Clipped:
    """-min(rho A, clip(rho, 1 - clip, 1 + clip) A) with rho = pi / pi_old (Schulman et al. 2017, equation 7).

    Where rho is 1 the gradient is the policy gradient, -A times that of the log-probability.
    """
    ratio = torch.exp(log_probs - old)
    free = -advantages * ratio
    held = -advantages * ratio.clamp(1 - clip, 1 + clip)
    return Clipped(torch.max(free, held), (held > free).float())


def value_losses(values: Tensor, old: Tensor, returns: Tensor, *, clip: float) -> Clipped:
    """Half the squared error, at least that of a value that moved by no more than `clip` (the PPO2 way)."""
    near = old + (values - old).clamp(-clip, clip)
    free, held = (values - returns) ** 2 / 2, (near - returns) ** 2 / 2
    return Clipped(torch.max(free, held), (held > free).float())
