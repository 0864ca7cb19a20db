"""PPO's critic: what it expects of an answer from each of its tokens on.

A model with a head that gives one number to each token. Under LoRA it is a second adapter over the policy's
base (`training.shared_base`); else it has weights of its own. Either way its errors never move the policy. It
begins as a copy of the policy whose head says 0, or as a reward model, whose rewards are put on the scale
that scores are on.
"""

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, cast

import torch
from peft import PeftModel, get_peft_model
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import PreTrainedModel
from trl.trainer.utils import disable_dropout_in_model

from engine.reward_head import HEAD
from engine.settings import ModelSettings
from training.load_reward import load_reward_policy
from training.raters import reward_model, scale_of
from training.scale import Scale
from training.settings import PPOSettings

FILE = "critic.safetensors"


class Headed(Protocol):
    """A model with one number a token, on weights of its own or beside the policy."""

    def numbers(self, ids: Tensor, mask: Tensor) -> Tensor:
        """(rows, tokens), float32."""
        ...

    def worn(self) -> contextlib.AbstractContextManager[None]:
        """Where its backward pass belongs."""
        ...

    def named(self) -> Mapping[str, torch.nn.Parameter]:
        """What is trained of it."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Apart:
    """A model of its own: nothing is shared, so that its backward pass belongs nowhere."""

    model: PreTrainedModel | PeftModel

    def numbers(self, ids: Tensor, mask: Tensor) -> Tensor:
        base = self.model.get_base_model() if isinstance(self.model, PeftModel) else self.model
        backbone = getattr(base, cast("PreTrainedModel", base).base_model_prefix)
        hidden = backbone(input_ids=ids, attention_mask=mask, use_cache=False).last_hidden_state
        return getattr(base, HEAD)(hidden).squeeze(-1).float()

    def worn(self) -> contextlib.AbstractContextManager[None]:
        return contextlib.nullcontext()

    def named(self) -> dict[str, torch.nn.Parameter]:
        return {name: weight for name, weight in self.model.named_parameters() if weight.requires_grad}


@dataclass(slots=True, eq=False)
class Critic:
    """The model with its head. A value is (head - mean) / sd of `scale`, or what the head says alone."""

    model: Headed
    scale: Scale | None
    learning_rate: float
    warmup_ratio: float

    @property
    def trained(self) -> list[torch.nn.Parameter]:
        return list(self.model.named().values())

    def values(self, ids: Tensor, mask: Tensor, *, keep: int) -> Tensor:
        """What is expected before each of the last `keep` tokens is chosen; (rows, keep), float32."""
        told = self.model.numbers(ids, mask)[:, -keep - 1 : -1]
        return told if self.scale is None else (told - self.scale.mean) / self.scale.sd

    def save(self, folder: Path) -> None:
        weights = {name: weight.detach().contiguous() for name, weight in self.model.named().items()}
        save_file(weights, folder / FILE)

    def load(self, folder: Path) -> None:
        saved = load_file(folder / FILE)
        with torch.no_grad():
            for name, weight in self.model.named().items():
                weight.copy_(saved[name])


def critic_of(model: Headed, settings: PPOSettings, scale: Scale | None) -> Critic:
    """The critic that trains all of a model's own weights."""
    for weight in model.named().values():
        weight.requires_grad_()
    return Critic(model, scale, settings.value_learning_rate, settings.value_warmup_ratio)


def load_critic(model: ModelSettings, settings: PPOSettings) -> Critic:
    """A critic on weights of its own, for a policy that begins at `model`; on its device, without dropout.

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
    return critic_of(Apart(loaded.train()), settings, scale)
