"""Proximal policy optimisation: `prompt` in, a policy out whose answers score more and stay near their start.

max over pi of E[score - beta KL(pi || pi_ref)] (Ziegler et al. 2019, equation 2) by clipped steps on sampled
answers (Schulman et al. 2017). A rollout is sampled and scored; each token is rewarded by -beta times its
estimate k1 of the KL, the last one by the score too; a critic tells how much better than expected that is;
and both learn from it, several times over. The reference is the policy as this stage finds it: base and
adapter of the SFT stage. Advantages are whitened over the whole rollout, rewards are not.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from transformers import PreTrainedTokenizerBase, Trainer, set_seed

from pipeline.context import derived_seed
from training.critic import load_critic
from training.data import Question, Rows, read_questions
from training.kl import AdaptiveKL
from training.load import load_reference
from training.method import Method, Prepared
from training.model import TrainingError
from training.ppo_learner import PPO
from training.rewards import open_reward
from training.runaway import Watch
from training.seams_online import SamplingTrainer, sampling_arguments
from training.settings import PPOSettings
from training.tokens import TokenizedRows, tokenize_questions

if TYPE_CHECKING:
    from datasets import Dataset


def _tokenize(
    questions: Rows[Question], tokenizer: PreTrainedTokenizerBase, settings: PPOSettings, _seed: int
) -> TokenizedRows:
    return tokenize_questions(
        questions,
        tokenizer,
        max_length=settings.max_length,
        max_completion_length=settings.max_completion_length or settings.max_length,
    )


def _trainer(prepared: Prepared[PPOSettings]) -> Trainer:
    settings, seed = prepared.settings, prepared.arguments["seed"]
    set_seed(seed)
    learner = _learner(prepared)
    trainer = SamplingTrainer(
        learner=learner,
        beside=learner.critic,
        reference=None if settings.use_peft else load_reference(prepared.model, settings),
        model=prepared.policy.model,
        args=sampling_arguments(
            _arguments(prepared.arguments, settings),
            answers=settings.generation_batch_size,
            passes=settings.num_ppo_epochs,
            frozen_copy=settings.use_peft,
        ),
        train_dataset=_episodes(prepared.tokens, settings, seed),
        processing_class=prepared.tokenizer,
        peft_config=prepared.policy.new_adapter,
    )
    if trainer.accelerator.num_processes > 1:
        raise TrainingError("PPO runs in one process: its critic's gradients are not shared between several")
    return trainer


def _learner(prepared: Prepared[PPOSettings]) -> PPO:
    settings, arguments = prepared.settings, prepared.arguments
    return PPO(
        settings,
        open_reward(settings.reward_funcs, prepared.model),
        load_critic(prepared.model, settings),
        AdaptiveKL(settings.beta, settings.kl_target),
        Watch(settings.max_kl, settings.max_length_growth, Path(arguments["output_dir"])),
        arguments["seed"],
    )


def _arguments(common: Mapping[str, Any], settings: PPOSettings) -> dict[str, Any]:
    """The shared configuration as an online method has it: one pass over episodes that are laid out."""
    step = settings.steps_per_rollout
    chosen = {name: value for name, value in common.items() if name != "max_length"}
    return {
        **chosen,
        "num_train_epochs": 1,
        # Between two rollouts nothing is half used, so that a run that goes on samples what it would have.
        "save_steps": -(-common["save_steps"] // step) * step,
        "max_completion_length": settings.max_completion_length,
        "temperature": settings.temperature,
    }


def _episodes(rows: TokenizedRows, settings: PPOSettings, seed: int) -> "Dataset":
    """The prompts in the order in which they are answered, drawn anew for each pass over them."""
    wanted = settings.rollouts(len(rows)) * settings.generation_batch_size
    order: list[int] = []
    while len(order) < wanted:
        generator = torch.Generator().manual_seed(derived_seed(seed, "prompts", str(len(order))))
        order += torch.randperm(len(rows), generator=generator).tolist()
    return rows.dataset.select(order[:wanted])


train_ppo = Method("ppo", columns=("prompt",), read=read_questions, tokenize=_tokenize, trainer=_trainer)
