"""Proximal policy optimisation: `prompt` in, a policy out whose answers score more and stay near their start.

max over pi of E[score - beta KL(pi || pi_ref)] (Ziegler et al. 2019, equation 2) by clipped steps on sampled
answers (Schulman et al. 2017). A rollout is sampled and scored; each token is rewarded by -beta times its
estimate k1 of the KL, the last one by the score too; a critic tells how much better than expected that is;
and both learn from it, several times over. The reference is the policy as this stage finds it: base and
adapter of the SFT stage. Advantages are whitened over the whole rollout, rewards are not.
"""

from pathlib import Path

from transformers import Trainer, set_seed

from training.critic import load_critic
from training.data import read_questions
from training.episodes import episodes, online_arguments, tokenize_prompts
from training.kl import AdaptiveKL
from training.load import load_reference
from training.method import Method, Prepared
from training.model import TrainingError
from training.ppo_learner import PPO
from training.rewards import open_reward
from training.runaway import Watch
from training.sampling import sampler_arguments
from training.seams_online import SamplingTrainer, sampling_arguments
from training.settings import PPOSettings


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
            online_arguments(prepared.arguments, settings) | sampler_arguments(settings),
            answers=settings.generation_batch_size,
            passes=settings.num_ppo_epochs,
            frozen_copy=settings.use_peft,
        ),
        train_dataset=episodes(prepared.tokens, settings, seed),
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


train_ppo = Method(
    "ppo", columns=("prompt",), read=read_questions, tokenize=tokenize_prompts, trainer=_trainer
)
