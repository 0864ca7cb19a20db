"""Online preference optimisation: `prompt` in, a policy out whose answers are preferred to its own others.

Each prompt is answered several times by the policy as it is; the recipe's judges, or a reward, say which
answer is better, and the policy learns from such a pair by the loss of DPO (Rafailov et al. 2023) or IPO
(Azar et al. 2024), held to the policy as this stage finds it. That labels come of the policy's own present
answers is OAIF (Guo et al. 2024): offline pairs grow stale as the policy moves.
"""

from pathlib import Path

from transformers import Trainer, set_seed

from training import processes
from training.data import read_questions
from training.episodes import tokenize_prompts
from training.method import Method, Prepared
from training.model import TrainingError
from training.online_dpo_learner import OnlineDPO
from training.online_trainer import online_trainer
from training.preferring import ByFirst, ByJudge, ByScore, Preferring
from training.raters import open_reward
from training.runaway import Watch
from training.settings_online_dpo import OnlineDPOSettings


def _trainer(prepared: Prepared[OnlineDPOSettings]) -> Trainer:
    settings, seed = prepared.settings, prepared.arguments["seed"]
    set_seed(seed)
    watch = Watch(settings.max_kl, settings.max_length_growth, Path(prepared.arguments["output_dir"]))
    learner = OnlineDPO(settings, _preferring(prepared), watch, seed)
    return online_trainer(prepared, learner)


def _preferring(prepared: Prepared[OnlineDPOSettings]) -> Preferring:
    settings = prepared.settings
    if settings.reward_funcs:
        reward = open_reward(settings.reward_funcs, prepared.model, judge=prepared.judge)
        return ByScore(
            reward,
            settings.num_generations,
            temperature=settings.reward_temperature,
            penalty=settings.missing_eos_penalty,
        )
    judge = prepared.judge
    if not processes.shared(lambda: judge is not None):
        raise TrainingError(
            "online DPO has nobody to say which answer is better\n"
            "give a judge (`judge=`, as `solon train online_dpo` does), or reward_funcs"
        )
    return ByFirst(None if judge is None else ByJudge(judge, settings.num_generations))


train_online_dpo = Method(
    "online_dpo", columns=("prompt",), read=read_questions, tokenize=tokenize_prompts, trainer=_trainer
)
