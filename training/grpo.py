"""Group-relative policy optimisation: `prompt` in, a policy out whose answers score more than its own others.

Each prompt is answered several times, and an answer is worth how far its score is above the mean of its
group, in standard deviations (Shao et al. 2024, DeepSeekMath): the group takes the place of PPO's critic. The
loss is clipped as PPO's is, and holds the policy to its reference by an estimate of the KL a token. The
reference is the policy as this stage finds it. Rewards may be verifiers, which makes this RLVR.
"""

from pathlib import Path

from transformers import Trainer, set_seed

from training.data import read_questions
from training.episodes import tokenize_prompts
from training.grpo_learner import GRPO
from training.method import Method, Prepared
from training.online_trainer import online_trainer
from training.raters import open_reward
from training.runaway import Watch
from training.settings import GRPOSettings


def _trainer(prepared: Prepared[GRPOSettings]) -> Trainer:
    settings, seed = prepared.settings, prepared.arguments["seed"]
    set_seed(seed)
    learner = GRPO(
        settings,
        open_reward(settings.reward_funcs, prepared.model, judge=prepared.judge),
        Watch(settings.max_kl, settings.max_length_growth, Path(prepared.arguments["output_dir"])),
        seed,
    )
    return online_trainer(prepared, learner)


train_grpo = Method(
    "grpo", columns=("prompt",), read=read_questions, tokenize=tokenize_prompts, trainer=_trainer
)
