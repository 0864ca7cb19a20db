"""Models that share the policy's base weights: adapters beside the policy's, each with a head of its own.

Under LoRA critic and reward models differ from the policy by an adapter and a head alone, so that one set of
base weights serves policy, reference, critic and rewards. In: the policy in memory, with its adapter. Out: a
model with one number a token, as `training.critic` and `training.raters` use it.
"""

import contextlib
from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import torch
from peft import LoraConfig, PeftConfig, PeftModel, TaskType, load_peft_weights, set_peft_model_state_dict
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence
from transformers import PreTrainedModel
from trl.trainer.utils import disable_dropout_in_model

from engine.reward_head import HEAD, Float32Head
from training.model import TrainingError
from training.seams_adapters import POLICY, wearing


@dataclass(frozen=True, slots=True, eq=False)
class Beside:
    """An adapter over the policy's base, and its head, which is float32."""

    policy: PeftModel
    adapter: str
    head: Float32Head

    def numbers(self, ids: Tensor, mask: Tensor) -> Tensor:
        """One number for each token, from it and those before it; (rows, tokens), float32."""
        base = cast("PreTrainedModel", self.policy.get_base_model())
        backbone = getattr(base, base.base_model_prefix)
        with self.worn():
            hidden = backbone(input_ids=ids, attention_mask=mask, use_cache=False).last_hidden_state
        return self.head(hidden).squeeze(-1)

    @torch.no_grad()
    def rewards(self, rows: Sequence[Sequence[int]]) -> list[float]:
        """The number of each row's last token, asked as one batch."""
        ids = pad_sequence([torch.tensor(row) for row in rows], batch_first=True)
        mask = pad_sequence([torch.ones(len(row), dtype=torch.long) for row in rows], batch_first=True)
        told = self.numbers(ids.to(self.head.weight.device), mask.to(self.head.weight.device))
        return [told[place, len(row) - 1].item() for place, row in enumerate(rows)]

    def worn(self) -> contextlib.AbstractContextManager[None]:
        """A backward pass belongs in here."""
        return wearing(self.policy, self.adapter)

    def named(self) -> dict[str, torch.nn.Parameter]:
        """Everything that is its own."""
        own = {
            name: weight for name, weight in self.policy.named_parameters() if self.adapter in name.split(".")
        }
        return own | {f"{HEAD}.{name}": weight for name, weight in self.head.named_parameters()}


def beside_policy(policy: PeftModel, adapter: str) -> Beside:
    """A model that begins as a copy of the policy, with a head that says 0."""
    _add(policy, adapter, _bare(policy.peft_config[POLICY]))
    _copy(policy, POLICY, adapter)
    return Beside(policy, adapter, _head(policy))


def beside_copy(of: Beside, adapter: str) -> Beside:
    """A model that begins as a copy of one that is there, head and all."""
    _add(of.policy, adapter, _bare(of.policy.peft_config[of.adapter]))
    _copy(of.policy, of.adapter, adapter)
    return Beside(of.policy, adapter, _head(of.policy, of.head.state_dict()))


def beside_folder(policy: PeftModel, adapter: str, folder: Path) -> Beside:
    """A reward model that was trained as an adapter over the policy's base.

    Raises:
        TrainingError: the folder's adapter fits another base, or brings no head.
    """
    _add(policy, adapter, _bare(PeftConfig.from_pretrained(str(folder))))
    weights = load_peft_weights(str(folder))
    heads = {name: weights.pop(name) for name in list(weights) if HEAD in name.split(".")}
    if not heads:
        raise TrainingError(f"{folder} has no head to rate with: give an adapter that was trained to rate")
    try:
        left_over = set_peft_model_state_dict(policy, weights, adapter_name=adapter).unexpected_keys
    except RuntimeError as error:  # torch's word for another shape
        raise TrainingError(f"{folder} does not fit the policy's base: {error}") from error
    if left_over:
        raise TrainingError(f"{folder} changes layers that the policy's base has not: {left_over[0]}")
    own = {name.rpartition(".")[2]: weight for name, weight in heads.items()}
    return Beside(policy, adapter, _head(policy, own))


def _bare(config: PeftConfig) -> LoraConfig:
    """The same low-rank adapter, to be put on a model without a head."""
    if not isinstance(config, LoraConfig):
        raise TrainingError(
            f"a {config.peft_type} adapter cannot share the policy's base: set shared_base: false"
        )
    plain = copy(config)
    plain.task_type, plain.modules_to_save, plain.inference_mode = TaskType.CAUSAL_LM, None, False
    return plain


def _add(policy: PeftModel, adapter: str, config: LoraConfig) -> None:
    """Put an adapter on, without dropout; what was trained before is trained afterwards."""
    trained = [weight for weight in policy.parameters() if weight.requires_grad]
    policy.add_adapter(adapter, config)
    disable_dropout_in_model(policy)
    policy.requires_grad_(requires_grad=False)
    for weight in trained:
        weight.requires_grad_()


def _copy(policy: PeftModel, source: str, target: str) -> None:
    weights = dict(policy.named_parameters())
    with torch.no_grad():
        for name, weight in weights.items():
            parts = name.split(".")
            if target in parts:
                weight.copy_(weights[".".join(source if part == target else part for part in parts)])


def _head(policy: PeftModel, state: Mapping[str, Tensor] | None = None) -> Float32Head:
    base = cast("PreTrainedModel", policy.get_base_model())
    head = Float32Head(base.config.get_text_config().hidden_size, 1, bias="bias" in (state or {}))
    if state is None:
        torch.nn.init.zeros_(head.weight)
    else:
        head.load_state_dict(dict(state))
    return head.requires_grad_(requires_grad=False).to(base.device)
