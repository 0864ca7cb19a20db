"""What a method will need of memory, found out without loading a weight.

In: a model's configuration, a method's settings, the size of its largest batch. Out: parameters, and bytes by
what takes them. Layers are built on torch's `meta` device, which has shapes and no data, and one forward pass
over fake tensors counts what autograd would keep for the backward pass.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, cast

import torch
from peft import LoraConfig, PeftConfig, PeftModel, TaskType, get_peft_model
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.func import functional_call
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoModelForSequenceClassification,
    PreTrainedModel,
)

from engine import attention
from engine.local_model import locate
from engine.reward_head import HEAD
from engine.settings import ModelSettings
from training.load import Precision, lora_config, precision, require_adapter
from training.settings import DPOSettings, KTOSettings, OnlineSettings, PPOSettings, TrainerSettings

_TILE = 4096 * 32768
"""Logits that TRL holds at a time: tokens times words of the vocabulary (`trl.kernels.chunked_logprob`)."""

_FLOAT32 = 4


@dataclass(frozen=True, slots=True)
class Batch:
    """The largest forward pass: `rows` texts of `tokens` each, `learned` of them in all; `sampled`: answers
    that are sampled at once.
    """

    rows: int
    tokens: int
    learned: int
    sampled: int = 0


@dataclass(frozen=True, slots=True)
class Need:
    """Parameters, all and trained, and bytes on the device by what takes them."""

    parameters: int
    trained: int
    parts: Mapping[str, int]

    @property
    def total(self) -> int:
        return sum(self.parts.values())


def needed(model: ModelSettings, settings: TrainerSettings, batch: Batch, *, rates: bool = False) -> Need:
    """An estimate for one process that holds all weights; `rates`: the model gets a head with one output.

    Optimizer states are AdamW's, two float32 numbers a trained parameter. Buffers of the libraries and the
    allocator's gaps are not in it.
    """
    chosen = precision(model, settings)
    built = skeleton(model, settings, rates=rates)
    weights = list(built.parameters())
    trained = sum(weight.numel() for weight in weights if weight.requires_grad)
    held = sum(weight.numel() * weight.element_size() for weight in weights)
    parts = {
        "weights": held,
        "other models": _beside(settings, held=held, trained=trained),
        "gradients": _FLOAT32 * trained,
        "optimizer": 2 * _FLOAT32 * trained,
        "activations": _activations(built, batch, chosen, checkpointed=settings.gradient_checkpointing),
        "logits": _logits(built, batch),
        "sampling": _cache(built, batch, chosen),
    }
    if isinstance(settings, PPOSettings):
        # The critic learns beside the policy: its states, and its own forward pass, which on a shared base
        # is over before the policy's begins.
        for name in ("gradients", "optimizer", *(() if settings.shares_base else ("activations",))):
            parts[name] *= 2
    parameters = sum(weight.numel() for weight in weights)
    return Need(parameters, trained, {name: size for name, size in parts.items() if size})


def skeleton(
    model: ModelSettings, settings: TrainerSettings, *, rates: bool = False
) -> PreTrainedModel | PeftModel:
    """The model as it will be trained, every weight with its shape and dtype and none with data."""
    chosen = precision(model, settings)
    config = AutoConfig.from_pretrained(locate(model.model), trust_remote_code=model.trust_remote_code)
    if rates:
        config.num_labels = 1
    kind = AutoModelForSequenceClassification if rates else AutoModelForCausalLM
    options: dict[str, Any] = {}
    if chosen.device.type == "cpu":
        options["attn_implementation"] = attention.register()
    with torch.device("meta"):
        base = cast("PreTrainedModel", kind.from_config(config, dtype=chosen.weights, **options))
        if not settings.use_peft:
            return base
        return cast("PeftModel", get_peft_model(base, _lora(model, settings, rates=rates)))


def _lora(model: ModelSettings, settings: TrainerSettings, *, rates: bool) -> LoraConfig:
    """That of a new adapter, or of the one that is trained further; a head is trained whole."""
    config = lora_config(settings)
    if model.adapter:
        config = cast("LoraConfig", PeftConfig.from_pretrained(str(require_adapter(model))))
        config.inference_mode = False
    if rates:
        config.task_type, config.modules_to_save = TaskType.SEQ_CLS, [HEAD]
    return config


def _beside(settings: TrainerSettings, *, held: int, trained: int) -> int:
    """Models that are held beside the trained one: a reference, what scores, and PPO's critic.

    A reward model that is an adapter over the policy's base is counted whole where it does not lie beside it.
    """
    kept = isinstance(settings, DPOSettings | KTOSettings) and not settings.precompute_ref_log_probs
    adapter = _FLOAT32 * trained
    reference = adapter if settings.use_peft else held
    if not isinstance(settings, OnlineSettings):
        return reference if kept else 0
    critics = 1 if isinstance(settings, PPOSettings) else 0
    shared = isinstance(settings, PPOSettings) and settings.shares_base
    return reference + (critics + len(settings.reward_models)) * (adapter if shared else held)


def _activations(
    built: PreTrainedModel | PeftModel, batch: Batch, chosen: Precision, *, checkpointed: bool
) -> int:
    """Bytes that autograd keeps between the two passes of the layers."""
    base = cast("PreTrainedModel", built.get_base_model() if isinstance(built, PeftModel) else built)
    kept = _kept(cast("torch.nn.Module", getattr(base, base.base_model_prefix)), batch, chosen)
    if not checkpointed:
        return kept
    text = base.config.get_text_config()
    # Each layer's input stays, and one layer at a time is gone through again.
    inputs = batch.rows * batch.tokens * text.hidden_size * text.num_hidden_layers * chosen.weights.itemsize
    return inputs + kept // text.num_hidden_layers


def _kept(layers: torch.nn.Module, batch: Batch, chosen: Precision) -> int:
    kept: dict[int, int] = {}
    with FakeTensorMode(allow_non_fake_inputs=True):
        own = {name: _fake(weight, chosen) for name, weight in _tensors(layers)}
        weights = {tensor.untyped_storage()._cdata for tensor in own.values()}

        def keep(tensor: Tensor) -> Tensor:
            storage = tensor.untyped_storage()
            if storage._cdata not in weights:
                kept[storage._cdata] = storage.nbytes()
                alive.append(tensor)
            return tensor

        alive: list[Tensor] = []
        ids = torch.zeros(batch.rows, batch.tokens, dtype=torch.long, device=chosen.device)
        half = chosen.compute is not torch.float32
        hooks = torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor)
        with hooks, torch.autocast(chosen.device.type, dtype=chosen.compute, enabled=half):
            functional_call(layers, own, kwargs={"input_ids": ids, "use_cache": False})
    return sum(kept.values())


def _tensors(layers: torch.nn.Module) -> Iterator[tuple[str, Tensor]]:
    yield from layers.named_parameters()
    yield from layers.named_buffers()


def _fake(tensor: Tensor, chosen: Precision) -> Tensor:
    made = torch.empty(tensor.shape, dtype=tensor.dtype, device=chosen.device)
    return made.requires_grad_(tensor.requires_grad)


def _logits(built: PreTrainedModel | PeftModel, batch: Batch) -> int:
    """TRL's tile of logits and its gradient; a head with one output has none."""
    words = built.config.get_text_config().vocab_size
    return 2 * _FLOAT32 * min(batch.learned * words, _TILE)


def _cache(built: PreTrainedModel | PeftModel, batch: Batch, chosen: Precision) -> int:
    """Keys and values of all answers that are sampled at once."""
    text = built.config.get_text_config()
    heads = getattr(text, "num_key_value_heads", None) or text.num_attention_heads
    width = getattr(text, "head_dim", None) or text.hidden_size // text.num_attention_heads
    cell = 2 * text.num_hidden_layers * heads * width * chosen.compute.itemsize
    return batch.sampled * batch.tokens * cell
