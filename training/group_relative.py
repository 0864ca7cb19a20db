"""What GRPO makes of scores and of log-probabilities: advantages of answers, and a loss a token.

Scores are (answers,), the answers to one prompt beside each other; tensors of tokens are (answers, tokens),
and `mask` is 1 on an answer's own tokens.
"""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

_EPSILON = 1e-4
_EQUAL = 1e-8

Scaled = Literal["group", "batch", "none"]
Mean = Literal["dapo", "grpo", "dr_grpo"]
Level = Literal["token", "sequence"]


@dataclass(frozen=True, slots=True)
class Relative:
    """`advantages` (answers,), and the share of groups whose scores are all the same, which teach nothing."""

    advantages: Tensor
    flat: float


def group_advantages(scores: Tensor, size: int, *, scaled: Scaled) -> Relative:
    """A = (r - mean) / (sd + 1e-4) within each group (Shao et al. 2024, 4.1.2), with Bessel's correction.

    `batch` divides by the standard deviation of all scores, `none` by 1 (Liu et al. 2025). A group without
    variance has advantages of exactly 0.
    """
    groups = scores.view(-1, size)
    ahead = groups - groups.mean(1, keepdim=True)
    spread = groups.std(1, keepdim=True)
    flat = (groups.amax(1) - groups.amin(1) <= _EQUAL * groups.abs().amax(1)).unsqueeze(1)
    if scaled == "group":
        ahead = ahead / (spread + _EPSILON)
    elif scaled == "batch":
        ahead = ahead / (scores.std() + _EPSILON)
    return Relative(ahead.masked_fill(flat, 0.0).flatten(), flat.float().mean().item())


@dataclass(frozen=True, slots=True)
class Surrogate:
    """A loss a token; 1 where the ratio is below or above what counts, so that the token teaches nothing."""

    losses: Tensor
    low: Tensor
    high: Tensor
    ratio: Tensor


def surrogate(
    log_probs: Tensor,
    old: Tensor,
    advantages: Tensor,
    mask: Tensor,
    *,
    low: float,
    high: float,
    level: Level,
) -> Surrogate:
    """-min(rho A, clip(rho, 1 - low, 1 + high) A), rho = pi / pi_old (Shao et al. 2024, equation 3).

    By `level: sequence` rho is an answer's, to the power of one by its length (GSPO, Zheng et al. 2025,
    equation 7).
    """
    moved = log_probs - old
    if level == "sequence":
        moved = ((moved * mask).sum(1, keepdim=True) / mask.sum(1, keepdim=True)).expand_as(moved)
    ratio = torch.exp(moved)
    held = ratio.clamp(1 - low, 1 + high)
    losses = -torch.min(ratio * advantages, held * advantages)
    below, above = (ratio < 1 - low) & (advantages < 0), (ratio > 1 + high) & (advantages > 0)
    return Surrogate(losses, below.float(), above.float(), ratio)


def kl_losses(log_probs: Tensor, reference: Tensor, ratio: Tensor | None) -> Tensor:
    """r - 1 - log r with r = pi_ref / pi, as the paper has it (equation 4).

    Its gradient is that of KL(pi_ref || pi), on samples of pi; times the policy's own `ratio`, through which
    gradients go, it is that of KL(pi || pi_ref), token by token.
    """
    behind = reference - log_probs
    estimate = torch.exp(behind) - 1 - behind
    return estimate if ratio is None else estimate * ratio


def shares(mask: Tensor, step: Tensor, *, mean: Mean, longest: int) -> Tensor:
    """What each token weighs in the loss of its optimizer step, whose whole mask is `step`.

    They are of the whole step, so that it is the same however it is cut into batches. Answers whose mask is
    all 0 have no share and no count.
    """
    answers = (step.sum(1) > 0).sum().clamp(min=1)
    if mean == "grpo":
        return mask / mask.sum(1, keepdim=True).clamp(min=1) / answers
    if mean == "dr_grpo":
        return mask / (answers * longest)
    return mask / step.sum().clamp(min=1)
