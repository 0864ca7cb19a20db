"""From scores to advantages: a score an answer and a KL a token in, what each token was worth out.

All tensors are (answers, tokens); `mask` is 1 on the tokens that were sampled and 0 on the padding at their
right, which changes nothing.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

_LEAST_VARIANCE = 1e-8


@dataclass(frozen=True, slots=True)
class Advantages:
    """`advantages`: how much better than expected it went from each token on; `returns`: how it went."""

    advantages: Tensor
    returns: Tensor


def token_rewards(scores: Tensor, kl: Tensor, mask: Tensor, *, beta: float) -> Tensor:
    """-beta KL on each token, and the answer's score on its last one (Ziegler et al. 2019, equation 2).

    `scores` are (answers,). The last token is the last that was sampled, its end token if it has one.
    """
    rewards = -beta * kl * mask
    last = mask.long().sum(1) - 1
    rewards[torch.arange(len(last), device=rewards.device), last] += scores.to(rewards.dtype)
    return rewards


def gae(rewards: Tensor, values: Tensor, mask: Tensor, *, gamma: float, lam: float) -> Advantages:
    """Generalised advantage estimation (Schulman et al. 2016, equation 16); nothing follows the last token.

    With gamma = lam = 1 the advantage is the sum of the rewards from the token on, less the value there.
    """
    rewards, values = rewards * mask, values * mask
    advantages = torch.zeros_like(values)
    following = torch.zeros_like(values[:, 0])
    after = torch.zeros_like(following)
    for t in reversed(range(values.shape[1])):
        surprise = rewards[:, t] + gamma * after - values[:, t]
        following = (surprise + gamma * lam * following) * mask[:, t]
        advantages[:, t] = following
        after = values[:, t]
    return Advantages(advantages, advantages + values)


def masked_mean(x: Tensor, mask: Tensor) -> Tensor:
    """The mean over all tokens of all answers."""
    return (x * mask).sum() / mask.sum()


def masked_variance(x: Tensor, mask: Tensor) -> Tensor:
    """Over all tokens of all answers, with Bessel's correction; 0 of a single token."""
    squares = ((x - masked_mean(x, mask)) ** 2 * mask).sum()
    return squares / (mask.sum() - 1).clamp(min=1)


def whitened(x: Tensor, mask: Tensor) -> Tensor:
    """Mean 0 and variance 1 over all tokens of the rollout, 0 on padding."""
    spread = (masked_variance(x, mask) + _LEAST_VARIANCE).sqrt()
    return (x - masked_mean(x, mask)) / spread * mask


def explained_variance(values: Tensor, returns: Tensor, mask: Tensor) -> Tensor:
    """1 - Var(returns - values) / Var(returns): 1 is a perfect critic, 0 as good as a constant."""
    spread = masked_variance(returns, mask)
    return 1 - masked_variance(returns - values, mask) / spread.clamp(min=_LEAST_VARIANCE)
