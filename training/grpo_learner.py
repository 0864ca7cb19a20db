"""What GRPO learns from a rollout: scored groups in, the batches of its updates and their losses out.

The loss of a step is a sum over its tokens, each weighed by its share, so that it does not depend on how the
step is cut into batches. Nothing is kept between rollouts but the length of the first answers.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from pipeline.context import derived_seed
from training.advantages import masked_mean
from training.answered import Answered, answered
from training.group_relative import group_advantages, kl_losses, shares, surrogate
from training.kl import k3
from training.rewards import Reward
from training.rollout import Passes, Sampled
from training.runaway import Watch
from training.seams_online import SamplingTrainer
from training.settings import GRPOSettings

STATE = "grpo.json"


@dataclass(frozen=True, slots=True)
class GroupBatch:
    """Rows of one forward pass; all tensors are (answers, answer).

    `shares` is what each token weighs in the loss of the whole optimizer step.
    """

    sampled: Sampled
    old: Tensor
    reference: Tensor
    advantages: Tensor
    shares: Tensor


@dataclass(slots=True, eq=False)
class GRPO:
    """What is learned from a rollout, and what is kept from one to the next."""

    settings: GRPOSettings
    reward: Reward
    watch: Watch
    seed: int

    def roll_out(self, trainer: SamplingTrainer, rows: Sequence[Mapping[str, Any]]) -> Sequence[GroupBatch]:
        """Sample groups, score, compare.

        Raises:
            TrainingError: a reward failed, or the policy ran away.
        """
        settings = self.settings
        told = answered(
            trainer,
            rows,
            settings=settings,
            reward=self.reward,
            watch=self.watch,
        )
        found = group_advantages(told.taken, settings.num_generations, scaled=settings.scale_rewards)
        trainer.note("groups_without_variance", found.flat)
        return self._batches(trainer, told, found.advantages.unsqueeze(1) * told.trust)

    def loss(self, trainer: SamplingTrainer, batch: GroupBatch) -> Tensor:
        """The clipped loss and the KL's, this batch's part of the step's."""
        settings, sampled = self.settings, batch.sampled
        log_probs, entropy = trainer.log_probs(sampled.ids, sampled.mask, keep=sampled.keep)
        found = surrogate(
            log_probs,
            batch.old,
            batch.advantages,
            sampled.answered,
            low=settings.epsilon,
            high=settings.epsilon_high or settings.epsilon,
            level=settings.importance_sampling_level,
        )
        losses = found.losses
        if settings.beta:
            ratio = found.ratio if settings.use_bias_correction_kl else None
            losses = losses + settings.beta * kl_losses(log_probs, batch.reference, ratio)
        told = {"clip_low": found.low, "clip_high": found.high, "entropy": entropy.detach()}
        told["update_kl"] = k3(batch.old, log_probs.detach())
        for name, value in told.items():
            trainer.note(name, masked_mean(value, sampled.answered).item())
        return (losses * batch.shares).sum()

    def save(self, folder: Path) -> None:
        (folder / STATE).write_text(json.dumps({"first_length": self.watch.first_length}) + "\n")

    def load(self, folder: Path) -> None:
        self.watch.first_length = json.loads((folder / STATE).read_text())["first_length"]

    def _batches(self, trainer: SamplingTrainer, told: Answered, advantages: Tensor) -> list[GroupBatch]:
        settings, sampled = self.settings, told.sampled
        generator = torch.Generator().manual_seed(derived_seed(self.seed, "grpo", str(trainer.rollout)))
        passes = Passes(settings.num_iterations, settings.batch_size, settings.gradient_accumulation_steps)
        learned = self._learned_from(told)
        batches: list[GroupBatch] = []
        for step, places in passes.places(len(sampled.ids), generator):
            weights = shares(
                learned[places],
                learned[step],
                mean=settings.loss_type,
                longest=settings.max_completion_length or settings.max_length,
            )
            rows = sampled.rows(places)
            known = (part[places] for part in (told.log_probs, told.reference, advantages))
            batches.append(GroupBatch(rows, *(part[:, : rows.keep] for part in (*known, weights))))
        return batches

    def _learned_from(self, told: Answered) -> Tensor:
        """1 on the tokens that are learned from."""
        shown = told.sampled.answered.to(told.log_probs.dtype)
        if not self.settings.mask_truncated_completions:
            return shown
        whole = torch.tensor(told.finished, dtype=shown.dtype, device=shown.device)
        return shown * whole.unsqueeze(1)
