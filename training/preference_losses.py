"""What online preference optimisation makes small: how far a pair's answers have moved in, a loss a pair out.

h is log pi(chosen) / pi_ref(chosen) less the same of rejected, over whole answers, and `target` P(chosen is
better). `beta` is what the KL to the reference costs.
"""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from training.bradley_terry import pair_losses
from training.settings_online_dpo import PairLoss

Loss = Callable[[Tensor, Tensor, float], Tensor]


def sigmoid_losses(h: Tensor, target: Tensor, beta: float) -> Tensor:
    """-[p log sigmoid(beta h) + (1 - p) log sigmoid(-beta h)] (Rafailov et al. 2023, equation 7, with p = 1).

    Least where sigmoid(beta h) = p. Where p is a reward's Bradley-Terry probability, at temperature 1, that
    is where the policy makes E[reward - beta KL] as large as can be.
    """
    return pair_losses(beta * h, torch.zeros_like(h), target=target, margin=torch.zeros_like(h))


def ipo_losses(h: Tensor, target: Tensor, beta: float) -> Tensor:
    """(h - (2 p - 1) / (2 beta)) ** 2 (Azar et al. 2024, equation 17, with p = 1; the paper's tau is beta).

    With p between, it is the mean of both labels' losses but for a constant.
    """
    return (h - (2 * target - 1) / (2 * beta)) ** 2


LOSSES: Mapping[PairLoss, Loss] = {"sigmoid": sigmoid_losses, "ipo": ipo_losses}
