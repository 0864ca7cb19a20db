"""Proximal policy optimisation: `prompt` in, a policy out whose answers score more and stay near their start.

max over pi of E[score - beta KL(pi || pi_ref)] (Ziegler et al. 2019, equation 2) by clipped steps on sampled
answers (Schulman et al. 2017). A rollout is sampled and scored; each token is rewarded by -beta times its
estimate k1 of the KL, the last one by the score too; a critic tells how much better than expected that is;
and both learn from it, several times over. The reference is the policy as this stage finds it: base and
adapter of the SFT stage. Advantages are whitened over the whole rollout, rewards are not.
"""

from pathlib import Path
from typing import cast

import torch
from peft import PeftModel
from transformers import Trainer, set_seed

from training.critic import Critic, critic_of, load_critic
from training.data import read_questions
from training.episodes import tokenize_prompts
from training.kl import AdaptiveKL
from training.method import Method, Prepared
from training.online_trainer import online_trainer
from training.ppo_learner import PPO
from training.raters import ByModel, open_reward, scale_of
from training.rewards import Reward
from training.runaway import Watch
from training.settings import PPOSettings
from training.shared_base import Beside, beside_copy, beside_policy

CRITIC = "critic"
"""The critic's adapter, where it lies beside the policy."""


def _trainer(prepared: Prepared[PPOSettings]) -> Trainer:
    settings, seed = prepared.settings, prepared.arguments["seed"]
    set_seed(seed)
    apart = None if settings.shares_base else load_critic(prepared.model, settings)
    trainer = online_trainer(prepared, None)
    # What new adapters draw must not move what is sampled: a shared base learns what another one does.
    with torch.random.fork_rng():
        learner = _learner(prepared, cast("PeftModel", trainer.model), apart)
    trainer.teach(learner, beside=learner.critic)
    return trainer


def _learner(prepared: Prepared[PPOSettings], policy: PeftModel, apart: Critic | None) -> PPO:
    """With the models beside the policy, unless the critic stands apart."""
    settings, arguments = prepared.settings, prepared.arguments
    reward = open_reward(
        settings.reward_funcs, prepared.model, judge=prepared.judge, base=None if apart else policy
    )
    return PPO(
        settings,
        reward,
        apart or _critic_beside(prepared, policy, reward),
        AdaptiveKL(settings.beta, settings.kl_target),
        Watch(settings.max_kl, settings.max_length_growth, Path(arguments["output_dir"])),
        arguments["seed"],
    )


def _critic_beside(prepared: Prepared[PPOSettings], policy: PeftModel, reward: Reward) -> Critic:
    """A critic on the policy's base; on one of its own where it begins as a model with another base."""
    settings = prepared.settings
    if settings.critic == "policy":
        return critic_of(beside_policy(policy, CRITIC), settings, None)
    part = settings.reward_models[0]
    rater = next(opened.rate for opened in reward.parts if opened.name == part.name)
    if isinstance(rater, ByModel) and isinstance(rater.model, Beside):
        return critic_of(beside_copy(rater.model, CRITIC), settings, scale_of(part))
    return load_critic(prepared.model, settings)


train_ppo = Method(
    "ppo", columns=("prompt",), read=read_questions, tokenize=tokenize_prompts, trainer=_trainer
)
