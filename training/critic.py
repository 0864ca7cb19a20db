"""PPO's critic: what it expects of an answer from each of its tokens on.

A second model with a head that gives one number to each token, on weights of its own, so that its errors
never move the policy. It begins as a copy of the policy whose head says 0, or as a reward model, whose
rewards are put on the scale that scores are on.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import cast

import torch
from peft import PeftModel, get_peft_model
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import PreTrainedModel
from trl.trainer.utils import disable_dropout_in_model

from engine.reward_head import HEAD
from engine.settings import ModelSettings
from training.load_reward import load_reward_policy
from training.rewards import reward_model, scale_of
from training.scale import Scale
from training.settings import PPOSettings

FILE = "critic.safetensors"


@dataclass(slots=True, eq=False)
class Critic:
    """The model with its head. A value is (head - mean) / sd of `scale`, or what the head says alone."""

    model: PreTrainedModel | PeftModel
    scale: Scale | None
    learning_rate: float
    warmup_ratio: float

    @property
    def trained(self) -> list[torch.nn.Parameter]:
        return [parameter for parameter in self.model.parameters() if parameter.requires_grad]

    def values(self, ids: Tensor, mask: Tensor, *, keep: int) -> Tensor:
        """What is expected before each of the last `keep` tokens is chosen; (rows, keep), float32."""
        base = self.model.get_base_model() if isinstance(self.model, PeftModel) else self.model
        backbone = getattr(base, cast("PreTrainedModel", base).base_model_prefix)
        hidden = backbone(input_ids=ids, attention_mask=mask, use_cache=False).last_hidden_state
        told = getattr(base, HEAD)(hidden[:, -keep - 1 : -1]).squeeze(-1).float()
        return told if self.scale is None else (told - self.scale.mean) / self.scale.sd

    def save(self, folder: Path) -> None:
        weights = {name: weight.detach().contiguous() for name, weight in self._named().items()}
        save_file(weights, folder / FILE)

    def load(self, folder: Path) -> None:
        saved = load_file(folder / FILE)
        with torch.no_grad():
            for name, weight in self._named().items():
                weight.copy_(saved[name])

    def _named(self) -> dict[str, torch.nn.Parameter]:
        return {name: weight for name, weight in self.model.named_parameters() if weight.requires_grad}


def load_critic(model: ModelSettings, settings: PPOSettings) -> Critic:
    """The critic of a policy that begins at `model`, on its device, without dropout.

    Raises:
        TrainingError: the model or the reward model cannot be loaded.
    """
    start, scale = model, None
    if settings.critic == "reward":
        part = settings.reward_models[0]
        start, scale = reward_model(part, model), scale_of(part)
    policy = load_reward_policy(start, settings)
    loaded = policy.model
    if policy.new_adapter is not None:
        loaded = cast("PeftModel", get_peft_model(cast("PreTrainedModel", loaded), policy.new_adapter))
    if settings.gradient_checkpointing:
        loaded.gradient_checkpointing_enable()
        loaded.enable_input_require_grads()
    disable_dropout_in_model(loaded)
    return Critic(loaded.train(), scale, settings.value_learning_rate, settings.value_warmup_ratio)
