"""What reward models, and DPO on soft labels, are trained to: two rewards of a prompt in, a loss a pair out.

The Bradley-Terry model says P(chosen is better) = sigmoid(d), d being how far chosen's reward is ahead
(Bradley and Terry 1952; Ouyang et al. 2022, equation 1). Rewards are known up to a constant, which centring
sets to 0. With DPO's rewards, beta (log pi - log pi_ref), the loss is conservative DPO's (Mitchell 2023).
"""

from collections import Counter
from collections.abc import Iterable, Mapping

from torch import Tensor
from torch.nn.functional import logsigmoid


def pair_losses(chosen: Tensor, rejected: Tensor, *, target: Tensor, margin: Tensor) -> Tensor:
    """-[p log sigmoid(d) + (1 - p) log sigmoid(-d)] of each pair, d = chosen - rejected - margin; in nats.

    All are of one shape; `target` p is P(chosen is better): 1 on a hard label, where only the first term is
    left. It is least where sigmoid(d) = p.
    """
    ahead = chosen - rejected - margin
    return -(target * logsigmoid(ahead) + (1 - target) * logsigmoid(-ahead))


def centring(chosen: Tensor, rejected: Tensor) -> Tensor:
    """(chosen + rejected) ** 2 of each pair (Eisenstein et al. 2023, the regulariser of section 3)."""
    return (chosen + rejected) ** 2


def source_weights(sources: Iterable[str]) -> Mapping[str, float]:
    """What a pair of each source weighs: all sources the same together, pairs 1 in the mean."""
    counts = Counter(sources)
    return {name: counts.total() / (len(counts) * count) for name, count in counts.items()}
