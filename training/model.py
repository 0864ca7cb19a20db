"""What a training stage says while it runs, what it returns, and the one error it raises.

Everything here is plain data: `solon` draws `TrainingProgress` as a bar and puts `Trained` into its report.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

CHECKPOINTS = "checkpoints"
"""The folder of a training's intermediate checkpoints, each in `checkpoint-<step>`."""

TRAINER_STATE = "trainer_state.json"
"""The file of a model or a checkpoint that tells the steps and what was logged at them."""


class TrainingError(ValueError):
    """A stage cannot train, or cannot keep what it trained; the message says why and what to do next."""


@dataclass(frozen=True, slots=True)
class TrainingProgress:
    """Where a stage stands, told after every step.

    `reference` is DPO's pass over the data with the frozen reference, in batches; `training` counts
    optimizer steps. `loss`, `reward_accuracy` (share of pairs whose chosen response is ahead) and `score`
    (the mean of sampled answers) are the last that were logged.
    """

    phase: Literal["reference", "training"]
    step: int
    total: int
    seconds: float
    loss: float | None = None
    reward_accuracy: float | None = None
    score: float | None = None


Progress = Callable[[TrainingProgress], None]


@dataclass(frozen=True, slots=True)
class Dropped:
    """A row (counted from 0) that is not trained on, and why."""

    row: int
    reason: str


@dataclass(frozen=True, slots=True)
class Trained:
    """A finished stage: `folder` holds an `adapter` to put on the base model, or a whole `model`.

    `metrics` are the numbers of `metrics.json`; `rows` were trained on, `truncated` of them cut at
    `max_length`.
    """

    folder: Path
    kind: Literal["adapter", "model"]
    rows: int
    truncated: int
    dropped: tuple[Dropped, ...]
    metrics: Mapping[str, float]
