"""What a run does: its stages in their order, where a recipe describes each, and of which kind it is.

Everything that goes by the kind of a stage asks here.
"""

from collections.abc import Mapping
from typing import Literal

from labeling.pair_settings import Export

Stage = Literal[
    "audit", "critique", "sft", "label", "reward", "dpo", "orpo", "kto", "rrhf", "ppo", "grpo",
    "online_dpo", "evaluate",
]  # fmt: skip
"""What a run does, in this order; a stage whose section is null is left out."""

SECTIONS: Mapping[Stage, str] = {
    "audit": "audit",
    "critique": "critique",
    "sft": "training.sft",
    "label": "labeling",
    "reward": "training.reward",
    "dpo": "training.dpo",
    "orpo": "training.orpo",
    "kto": "training.kto",
    "rrhf": "training.rrhf",
    "ppo": "training.ppo",
    "grpo": "training.grpo",
    "online_dpo": "training.online_dpo",
    "evaluate": "evaluation",
}
"""The part of a recipe that each stage is described by, in the stages' order."""

LEARN_FROM_LABELS: Mapping[Stage, Export] = {
    "reward": "preferences",
    "dpo": "preferences",
    "orpo": "preferences",
    "kto": "unpaired",
    "rrhf": "ranked",
}
"""The stages that learn from labels, and the export of `labeling` that each of them reads."""

ONLINE: tuple[Stage, ...] = ("ppo", "grpo", "online_dpo")
"""The stages that learn from answers of their own to the recipe's prompts."""

POLICIES: tuple[Stage, ...] = ("sft", "dpo", "orpo", "kto", "rrhf", "ppo", "grpo", "online_dpo")
"""The stages that train a model which answers, and so is evaluated."""
