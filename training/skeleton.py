"""A model as it will be trained, every weight with its shape and dtype and none with data.

In: a model's configuration and a method's settings. Out: its layers on torch's `meta` device.
"""

from typing import Any, cast

import torch
from peft import LoraConfig, PeftConfig, PeftModel, get_peft_model
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoModelForSequenceClassification,
    PreTrainedModel,
)

from engine import attention
from engine.local_model import locate
from engine.reward_head import float32_head
from engine.settings import ModelSettings
from training.load import lora_config, precision, require_adapter
from training.load_reward import with_its_head
from training.settings import TrainerSettings


def skeleton(
    model: ModelSettings, settings: TrainerSettings, *, rates: bool = False
) -> PreTrainedModel | PeftModel:
    """The model, with its adapter where one is trained; `rates`: with a head with one output."""
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
        if rates:
            float32_head(base)
        if not settings.use_peft:
            return base
        return cast("PeftModel", get_peft_model(base, _lora(model, settings, rates=rates)))


def base_of(built: PreTrainedModel | PeftModel) -> PreTrainedModel:
    """The model without what an adapter wraps it in; its layers stay changed."""
    return cast("PreTrainedModel", built.get_base_model() if isinstance(built, PeftModel) else built)


def _lora(model: ModelSettings, settings: TrainerSettings, *, rates: bool) -> LoraConfig:
    """That of a new adapter, or of the one that is trained further; a head is trained whole."""
    config = lora_config(settings)
    if model.adapter:
        config = cast("LoraConfig", PeftConfig.from_pretrained(str(require_adapter(model))))
        config.inference_mode = False
    return with_its_head(config) if rates else config
