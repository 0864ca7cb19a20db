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
from training.advantages import explained_variance, gae, masked_mean, token_rewards, whitened
from training.answered import Answered, answered
from training.clipped import policy_losses, value_losses
from training.critic import Critic
from training.kl import AdaptiveKL, k3
from training.rewards import Reward
from training.rollout import Batch, Learned, Passes, Sampled, told_of
from training.runaway import Watch
from training.seams_online import SamplingTrainer
from training.settings import PPOSettings

STATE = "ppo.json"


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
        told = answered(trainer, rows, settings=self.settings, reward=self.reward, watch=self.watch)
        learned = self._weighed(told, self._expected(trainer, told.sampled))
        explained = explained_variance(learned.values, learned.returns, told.sampled.answered)
        trainer.note("explained_variance", explained.item())
        trainer.note("value_learning_rate", trainer.rate_beside)
        trainer.note("beta", self.kl.beta)
        self.kl.observe(told.kl)
        return self._batches(trainer, told.sampled, learned)

    def loss(self, trainer: SamplingTrainer, batch: Batch) -> Tensor:
        """The clipped losses of critic and policy, this batch's part of the step's mean over tokens.

        The critic's backward pass is done here: on a shared base it belongs where its adapter is in use, and
        anywhere it frees the critic's activations before the policy makes its own.
        """
        with self.critic.model.worn():
            value = self._value_loss(trainer, batch)
            trainer.backward(value)
        value = value.detach()
        return value.requires_grad_() if batch.warmup else value + self._policy_loss(trainer, batch)

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

    def _expected(self, trainer: SamplingTrainer, sampled: Sampled) -> Tensor:
        """The critic's values before the update, a batch of rows at a time."""

        def told(ids: Tensor, mask: Tensor) -> Tensor:
            return self._values(trainer, ids, mask, keep=sampled.keep)

        return told_of(sampled, self.settings.batch_size, told)

    def _values(self, trainer: SamplingTrainer, ids: Tensor, mask: Tensor, *, keep: int) -> Tensor:
        with trainer.autocast():
            return self.critic.values(ids, mask, keep=keep)

    def _weighed(self, told: Answered, values: Tensor) -> Learned:
        mask = told.sampled.answered
        rewards = token_rewards(told.taken, told.far, mask, beta=self.kl.beta)
        found = gae(rewards, values, mask, gamma=self.settings.gamma, lam=self.settings.lam)
        advantages = whitened(found.advantages, mask) * told.trust
        return Learned(told.log_probs, values, advantages, found.returns)

    def _batches(self, trainer: SamplingTrainer, sampled: Sampled, learned: Learned) -> list[Batch]:
        settings = self.settings
        generator = torch.Generator().manual_seed(derived_seed(self.seed, "ppo", str(trainer.rollout)))
        passes = Passes(settings.num_ppo_epochs, settings.batch_size, settings.gradient_accumulation_steps)
        warmup = trainer.rollout < settings.value_warmup
        return list(passes.batches(sampled, learned, generator, warmup=warmup))
