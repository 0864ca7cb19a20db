"""The registry: every way to train, by its name in `solon train` and in a recipe's `training` section.

In: rows as `critique` and `labeling` write them. Out: a whole model folder. Each method is a file of its own.
"""

from collections.abc import Mapping
from typing import Any

from training.dpo import train_dpo
from training.grpo import train_grpo
from training.kto import train_kto
from training.method import Method
from training.online_dpo import train_online_dpo
from training.orpo import train_orpo
from training.ppo import train_ppo
from training.reward import train_reward
from training.rrhf import train_rrhf
from training.settings import MethodName
from training.sft import train_sft

METHODS: Mapping[MethodName, Method[Any, Any]] = {
    "sft": train_sft,
    "reward": train_reward,
    "dpo": train_dpo,
    "orpo": train_orpo,
    "kto": train_kto,
    "rrhf": train_rrhf,
    "ppo": train_ppo,
    "grpo": train_grpo,
    "online_dpo": train_online_dpo,
}
