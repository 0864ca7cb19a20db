"""What PPO learns from a rollout: sampled answers in, the batches of its updates and their losses out.

A rollout is scored; each token is rewarded by -beta times the estimate k1 of its KL, the last one by the
score too; GAE tells how much better than the critic expected that is. What is kept between rollouts, critic
and beta, goes into each checkpoint.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from pipeline.context import derived_seed
from prompts.message import conversation
from training.advantages import explained_variance, gae, masked_mean, token_rewards, whitened
from training.clipped import policy_losses, value_losses
from training.critic import Critic
from training.kl import AdaptiveKL, k1, k3
from training.rewards import Answer, Reward, Scores
from training.rollout import Batch, Learned, Passes, Sampled, padded
from training.runaway import Watch
from training.seams_online import SamplingTrainer
from training.settings import PPOSettings

STATE = "ppo.json"


@dataclass(frozen=True, slots=True)
class Asked:
    """What policy and critic say of a rollout before the update, and how far it is from the reference.

    All are (answers, answer); `far` and `quiet` are the estimates k1 and k3 of the KL, 0 on padding.
    """

    log_probs: Tensor
    values: Tensor
    far: Tensor
    quiet: Tensor

    @property
    def kl(self) -> float:
        """Nats an answer, by k1."""
        return self.far.sum(1).mean().item()


@dataclass(slots=True, eq=False)
class PPO:
    """What is learned from a rollout, and what is kept from one to the next."""

    settings: PPOSettings
    reward: Reward
    critic: Critic
    kl: AdaptiveKL
    watch: Watch
    seed: int

    def roll_out(self, trainer: SamplingTrainer, rows: Sequence[Mapping[str, Any]]) -> Sequence[Batch]:
        """Sample, score, weigh.

        Raises:
            TrainingError: a reward failed, or the policy ran away.
        """
        prompts = [row["prompt_ids"] for row in rows]
        answers = trainer.sample(prompts)
        sampled = padded(prompts, answers, pad=trainer.pad_id, device=trainer.device)
        asked = self._ask(trainer, sampled)
        length = sampled.lengths.float().mean().item()
        self.watch.look(trainer.state.global_step, kl=asked.kl, length=length)
        finished = [answer[-1] in trainer.end_ids for answer in answers]
        scores = self.reward(_answers(rows, trainer.decoded(answers), finished))
        learned = self._weighed(sampled, asked, self._taken(scores, finished, asked))
        _note_scores(trainer, scores)
        _note_rollout(trainer, sampled, asked, learned)
        trainer.note("eos_rate", sum(finished) / len(finished))
        trainer.note("beta", self.kl.beta)
        self.kl.observe(asked.kl)
        return self._batches(trainer, sampled, learned)

    def loss(self, trainer: SamplingTrainer, batch: Batch) -> Tensor:
        """The clipped losses of critic and policy, this batch's part of the step's mean over tokens."""
        loss = self._value_loss(trainer, batch)
        return loss if batch.warmup else loss + self._policy_loss(trainer, batch)

    def save(self, folder: Path) -> None:
        self.critic.save(folder)
        state = {"beta": self.kl.beta, "first_length": self.watch.first_length}
        (folder / STATE).write_text(json.dumps(state) + "\n")

    def load(self, folder: Path) -> None:
        self.critic.load(folder)
        state = json.loads((folder / STATE).read_text())
        self.kl.beta, self.watch.first_length = state["beta"], state["first_length"]

    def _value_loss(self, trainer: SamplingTrainer, batch: Batch) -> Tensor:
        sampled, learned, mask = batch.sampled, batch.learned, batch.sampled.answered
        told = self._values(trainer, sampled.ids, sampled.mask, keep=sampled.keep)
        value = value_losses(told, learned.values, learned.returns, clip=self.settings.cliprange_value)
        trainer.note("value_loss", masked_mean(value.losses.detach(), mask).item())
        trainer.note("value_clip", masked_mean(value.clipped, mask).item())
        return (value.losses * mask).sum() / batch.tokens

    def _policy_loss(self, trainer: SamplingTrainer, batch: Batch) -> Tensor:
        sampled, learned, mask = batch.sampled, batch.learned, batch.sampled.answered
        told, entropy = trainer.log_probs(sampled.ids, sampled.mask, keep=sampled.keep)
        policy = policy_losses(told, learned.log_probs, learned.advantages, clip=self.settings.cliprange)
        trainer.note("policy_loss", masked_mean(policy.losses.detach(), mask).item())
        trainer.note("policy_clip", masked_mean(policy.clipped, mask).item())
        trainer.note("entropy", masked_mean(entropy.detach(), mask).item())
        trainer.note("update_kl", masked_mean(k3(learned.log_probs, told.detach()), mask).item())
        return (policy.losses * mask).sum() / batch.tokens

    @torch.no_grad()
    def _ask(self, trainer: SamplingTrainer, sampled: Sampled) -> Asked:
        """A batch of rows at a time."""
        told: list[tuple[Tensor, Tensor, Tensor]] = []
        for places in torch.arange(len(sampled.ids), device=trainer.device).split(self.settings.batch_size):
            ids, mask, keep = sampled.ids[places], sampled.mask[places], sampled.keep
            log_probs, _ = trainer.log_probs(ids, mask, keep=keep)
            reference = trainer.reference_log_probs(ids, mask, keep=keep)
            told.append((log_probs, reference, self._values(trainer, ids, mask, keep=keep)))
        old, reference, values = (torch.cat(parts) for parts in zip(*told, strict=True))
        shown = sampled.answered
        return Asked(old, values, k1(old, reference) * shown, k3(old, reference) * shown)

    def _values(self, trainer: SamplingTrainer, ids: Tensor, mask: Tensor, *, keep: int) -> Tensor:
        with trainer.autocast():
            return self.critic.values(ids, mask, keep=keep)

    def _taken(self, scores: Scores, finished: Sequence[bool], asked: Asked) -> Tensor:
        """The scores of the answers, less the penalty of those without an end."""
        penalty = self.settings.missing_eos_penalty
        taken = [total - penalty * (not ended) for total, ended in zip(scores.total, finished, strict=True)]
        return torch.tensor(taken, dtype=asked.far.dtype, device=asked.far.device)

    def _weighed(self, sampled: Sampled, asked: Asked, scores: Tensor) -> Learned:
        mask = sampled.answered
        rewards = token_rewards(scores, asked.far, mask, beta=self.kl.beta)
        found = gae(rewards, asked.values, mask, gamma=self.settings.gamma, lam=self.settings.lam)
        return Learned(asked.log_probs, asked.values, whitened(found.advantages, mask), found.returns)

    def _batches(self, trainer: SamplingTrainer, sampled: Sampled, learned: Learned) -> list[Batch]:
        settings = self.settings
        rollout = trainer.state.global_step // settings.steps_per_rollout
        generator = torch.Generator().manual_seed(derived_seed(self.seed, "ppo", str(rollout)))
        passes = Passes(settings.num_ppo_epochs, settings.batch_size, settings.gradient_accumulation_steps)
        warmup = rollout < settings.value_warmup
        return list(passes.batches(sampled, learned, generator, warmup=warmup))


def _note_scores(trainer: SamplingTrainer, scores: Scores) -> None:
    total = torch.tensor(scores.total)
    trainer.note("score", total.mean().item())
    trainer.note("score_sd", total.std().item())
    for share in (0.1, 0.5, 0.9):
        trainer.note(f"score_p{100 * share:.0f}", total.quantile(share).item())
    for name, told in scores.parts.items():
        trainer.note(f"score/{name}", sum(told) / len(told))


def _note_rollout(trainer: SamplingTrainer, sampled: Sampled, asked: Asked, learned: Learned) -> None:
    explained = explained_variance(learned.values, learned.returns, sampled.answered)
    trainer.note("kl", asked.kl)
    trainer.note("kl_k3", asked.quiet.sum(1).mean().item())
    trainer.note("length", sampled.lengths.float().mean().item())
    trainer.note("explained_variance", explained.item())
    trainer.note("value_learning_rate", trainer.rate_beside)


def _answers(
    rows: Sequence[Mapping[str, Any]], texts: Sequence[str], finished: Sequence[bool]
) -> list[Answer]:
    return [
        Answer(conversation(json.loads(row["prompt"])), text, ended)
        for row, text, ended in zip(rows, texts, finished, strict=True)
    ]
