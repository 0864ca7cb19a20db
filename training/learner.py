"""The faces of an online method to the trainer that samples for it, and of what learns beside the policy.

In: sampled answers, by `training.seams_online.SamplingTrainer`. Out: batches, and a loss for each.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import torch
from torch import Tensor

if TYPE_CHECKING:
    from training.seams_online import SamplingTrainer


class Learner(Protocol):
    """What an online method makes of sampled answers."""

    def roll_out(self, trainer: "SamplingTrainer", rows: Sequence[Mapping[str, Any]]) -> Sequence[Any]:
        """Sample and score answers to the rows' prompts; gives this process's batches of all steps."""
        ...

    def loss(self, trainer: "SamplingTrainer", batch: Any) -> Tensor:
        """The loss of one batch; those of an optimizer step are summed, over all processes."""
        ...

    def save(self, folder: Path) -> None:
        """Everything beside the policy that a later `load` needs, into a checkpoint."""
        ...

    def load(self, folder: Path) -> None: ...


class Beside(Protocol):
    """A model that is trained beside the policy, by its own rate."""

    learning_rate: float
    warmup_ratio: float

    @property
    def trained(self) -> list[torch.nn.Parameter]: ...
