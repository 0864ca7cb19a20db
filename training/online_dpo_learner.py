"""What online preference optimisation learns from a rollout: sampled answers in, batches of pairs and losses.

Of each prompt's answers a better and a worse one are found (`training.preferring`), while policy and
reference are asked about all of them. The pairs are spread evenly over the rollout's optimizer steps; the
loss of a step is the mean over its pairs, so that accumulation changes nothing, and a step that ties have
left without a pair moves nothing.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from pipeline.context import derived_seed
from training import processes
from training.answered import answers_of, log_probs_of, note_parts
from training.kl import k1, k3
from training.model import TrainingError
from training.preference_losses import LOSSES
from training.preferring import IDENTICAL, Preferences, Preferring
from training.rollout import Sampled, padded
from training.runaway import Watch
from training.seams_online import SamplingTrainer
from training.settings_online_dpo import OnlineDPOSettings

STATE = "online_dpo.json"

PATIENCE = 3
"""Rollouts without a single pair, one after another, after which there is nothing to wait for."""


@dataclass(frozen=True, slots=True)
class PairBatch:
    """Rows of one forward pass: the chosen answers, then the rejected ones in the same order.

    `reference` (rows,) are the answers' log-probabilities, `target` (pairs,) P(chosen is better). `pairs`
    are those of the whole optimizer step, whose mean its loss is.
    """

    sampled: Sampled
    reference: Tensor
    target: Tensor
    pairs: int


@dataclass(frozen=True, slots=True)
class Begun:
    """Answers that were sampled, and what waits until it is known which of them are better."""

    ids: list[list[int]]
    sampled: Sampled
    finished: tuple[bool, ...]
    wait: Callable[[], Preferences]


@dataclass(slots=True, eq=False)
class OnlineDPO:
    """What is learned from a rollout, and what is kept from one to the next.

    `ahead` is the next rollout, sampled before this one is learned from; `kept` its answers, where a
    checkpoint had them. `barren` counts the last rollouts without a pair.
    """

    settings: OnlineDPOSettings
    preferring: Preferring
    watch: Watch
    seed: int
    ahead: Begun | None = None
    kept: list[list[int]] | None = None
    barren: int = 0

    def roll_out(self, trainer: SamplingTrainer, rows: Sequence[Mapping[str, Any]]) -> Sequence[PairBatch]:
        """Sample, ask which answers are better, and meanwhile how likely they all are.

        Raises:
            TrainingError: nobody could tell, the policy ran away, or all pairs are ties for too long.
        """
        now = self.ahead or self._begin(trainer, rows, self.kept)
        self.kept, self.ahead = None, self._next(trainer)
        log_probs, reference = log_probs_of(trainer, now.sampled, 2 * self.settings.batch_size)
        far = k1(log_probs, reference) * now.sampled.answered
        kl, length = far.sum(1).mean().item(), now.sampled.lengths.float().mean().item()
        self.watch.look(trainer.state.global_step, kl=kl, length=length)
        found = now.wait()
        trainer.note("kl", kl)
        trainer.note("kl_k3", (k3(log_probs, reference) * now.sampled.answered).sum(1).mean().item())
        trainer.note("length", length)
        trainer.note("eos_rate", sum(now.finished) / len(now.finished))
        _note(trainer, found)
        self._require_pairs(found)
        return self._batches(trainer, now.sampled, (reference * now.sampled.answered).sum(1), found)

    def loss(self, trainer: SamplingTrainer, batch: PairBatch) -> Tensor:
        """The batch's part of the step's mean over pairs."""
        if not len(batch.target):
            # Gradients stay unset, so that the optimizer leaves every weight as it is.
            return torch.zeros((), device=trainer.device, requires_grad=True)
        sampled, beta = batch.sampled, self.settings.beta
        log_probs, entropy = trainer.log_probs(sampled.ids, sampled.mask, keep=sampled.keep)
        chosen, rejected = ((log_probs * sampled.answered).sum(1) - batch.reference).chunk(2)
        losses = LOSSES[self.settings.loss_type](chosen - rejected, batch.target, beta)
        told = {"chosen": chosen, "rejected": rejected, "margins": chosen - rejected}
        for name, value in told.items():
            trainer.note(f"rewards/{name}", beta * value.detach().mean().item())
        trainer.note("rewards/accuracies", (chosen > rejected).float().mean().item())
        trainer.note("entropy", ((entropy * sampled.answered).sum() / sampled.answered.sum()).item())
        return losses.sum() / batch.pairs

    def save(self, folder: Path) -> None:
        state = {
            "first_length": self.watch.first_length,
            "barren": self.barren,
            "ahead": self.ahead.ids if self.ahead else None,
        }
        (folder / STATE).write_text(json.dumps(state) + "\n")

    def load(self, folder: Path) -> None:
        state = json.loads((folder / STATE).read_text())
        self.watch.first_length, self.barren = state["first_length"], state["barren"]
        self.kept = state["ahead"]

    def _begin(
        self, trainer: SamplingTrainer, rows: Sequence[Mapping[str, Any]], ids: list[list[int]] | None = None
    ) -> Begun:
        prompts = [row["prompt_ids"] for row in rows]
        ids = ids or trainer.sample(prompts)
        finished = tuple(answer[-1] in trainer.end_ids for answer in ids)
        wait = self.preferring.begin(answers_of(rows, trainer.decoded(ids), finished))
        return Begun(ids, padded(prompts, ids, pad=trainer.pad_id, device=trainer.device), finished, wait)

    def _next(self, trainer: SamplingTrainer) -> Begun | None:
        """The rollout after this one, begun with the policy as it is now; None where it is not asked for."""
        size, dataset = self.settings.generation_batch_size, trainer.train_dataset
        start = (trainer.rollout + 1) * size
        if not self.settings.judge_ahead or start >= len(dataset):  # type: ignore[arg-type]
            return None
        return self._begin(trainer, [dataset[place] for place in range(start, start + size)])  # type: ignore[index]

    def _require_pairs(self, found: Preferences) -> None:
        self.barren = 0 if found.pairs else self.barren + 1
        if self.barren < PATIENCE:
            return
        reasons = ", ".join(f"{count} x {reason}" for reason, count in found.dropped.items())
        raise TrainingError(
            f"{PATIENCE} rollouts in a row gave no pair to learn from; of the last one: {reasons}\n"
            "ask another judge or in another way, raise num_generations, or lower labeling.tie_margin"
        )

    def _batches(
        self, trainer: SamplingTrainer, sampled: Sampled, reference: Tensor, found: Preferences
    ) -> list[PairBatch]:
        settings = self.settings
        chosen = torch.tensor([pair.chosen for pair in found.pairs], dtype=torch.long)
        rejected = torch.tensor([pair.rejected for pair in found.pairs], dtype=torch.long)
        soft = settings.labels == "soft"
        target = torch.tensor([pair.probability if soft else 1.0 for pair in found.pairs])
        generator = torch.Generator().manual_seed(derived_seed(self.seed, "online_dpo", str(trainer.rollout)))
        batches: list[PairBatch] = []
        for _ in range(settings.num_iterations):
            order = torch.randperm(len(found.pairs), generator=generator)
            for step in order.tensor_split(settings.steps_a_pass(processes.count())):
                parts = step.tensor_split(settings.gradient_accumulation_steps * processes.count())
                for some in processes.share(parts):
                    places = torch.cat([chosen[some], rejected[some]]).to(trainer.device)
                    rows = sampled.rows(places) if len(some) else sampled
                    batches.append(
                        PairBatch(rows, reference[places], target[some].to(trainer.device), len(step))
                    )
        return batches


def _note(trainer: SamplingTrainer, found: Preferences) -> None:
    identical = found.dropped.get(IDENTICAL, 0)
    trainer.note("pairs", len(found.pairs))
    trainer.note("identical", identical)
    trainer.note("ties", sum(found.dropped.values()) - identical)
    if found.consistency is not None:
        trainer.note("swap_consistency", found.consistency)
    if found.pairs:
        trainer.note("label_probability", sum(pair.probability for pair in found.pairs) / len(found.pairs))
    if found.scores is not None:
        total = found.scores.total
        trainer.note("score", sum(total) / len(total))
        note_parts(trainer, found.scores)
        trainer.note(
            "score/chosen", sum(total[pair.chosen] for pair in found.pairs) / max(len(found.pairs), 1)
        )
