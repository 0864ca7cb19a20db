"""A model with a head that gives one number, ready to be trained, and a tokenizer that pads it safely.

The head is new and begins at zero, unless the model has one: no answer is ahead before training, and the
first loss is ln 2. An adapter that exists is trained further with the head beside it, so that what comes out
is one adapter over the original base; without LoRA it is merged into the weights first.
"""

from collections.abc import Iterator
from typing import cast

import torch
from peft import (
    LoraConfig,
    PeftConfig,
    PeftModel,
    TaskType,
    get_peft_model,
    load_peft_weights,
    set_peft_model_state_dict,
)
from transformers import (
    AutoConfig,
    AutoModelForSequenceClassification,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)

from engine.local_model import locate
from engine.reward_head import HEAD, float32_head, without_load_report
from engine.settings import ModelSettings
from engine.tokens import encode_answered
from prompts.message import Message
from training.load import (
    Policy,
    load_base,
    load_tokenizer,
    lora_config,
    not_loaded,
    require_adapter,
)
from training.model import TrainingError
from training.settings import TrainerSettings

_EXAMPLE = (Message("user", "x"), Message("assistant", "y"))


def load_reward_tokenizer(model: ModelSettings) -> PreTrainedTokenizerBase:
    """The tokenizer, padding with a token that no answer ends with.

    `transformers` reads the reward off the rightmost token that is no padding. Where answers end with the
    padding token, as where pad is eos, that would be one before it: an answer that was cut off would look
    like a finished one.

    Raises:
        TrainingError: there is no chat template, or no token to pad with.
    """
    tokenizer = load_tokenizer(model)
    end = encode_answered(tokenizer, _EXAMPLE, finished=True)[-1]
    if tokenizer.pad_token_id != end:
        return tokenizer
    for token in _unused(tokenizer):
        if tokenizer.convert_tokens_to_ids(token) != end:
            tokenizer.pad_token = token
            return tokenizer
    raise TrainingError(
        f"{model.model}: answers end with {tokenizer.pad_token!r}, the only token to pad with, so a finished "
        "answer cannot be told from one that was cut off\n"
        "give the tokenizer a padding token of its own: tokenizer.add_special_tokens({'pad_token': '<pad>'}) "
        "and model.resize_token_embeddings, and save both"
    )


def load_reward_policy(model: ModelSettings, settings: TrainerSettings) -> Policy:
    """The model with its head, on its device, and everything that is trained of it.

    Raises:
        TrainingError: the model or its adapter cannot be loaded, or is of a kind without such a head.
    """
    base = _load_with_head(model, settings)
    if model.adapter is None:
        return Policy(base, with_its_head(lora_config(settings)) if settings.use_peft else None)
    peft_model = _adapted(base, model)
    if settings.use_peft:
        return Policy(peft_model, None)
    whole = cast("PreTrainedModel", peft_model.merge_and_unload())
    return Policy(whole.requires_grad_(requires_grad=True), None)


def _load_with_head(model: ModelSettings, settings: TrainerSettings) -> PreTrainedModel:
    has_head = _has_head(model)
    with without_load_report():
        base = load_base(model, settings, kind=AutoModelForSequenceClassification, num_labels=1)
    if not float32_head(base):
        raise TrainingError(
            f"{model.model} is a {type(base).__name__}, which has no linear head called `{HEAD}`\n"
            "train a decoder: Llama, Qwen, Mistral, Gemma and their like"
        )
    if not has_head:
        with torch.no_grad():
            _head(base).weight.zero_()
    return base


def _head(base: PreTrainedModel) -> torch.nn.Linear:
    return cast("torch.nn.Linear", getattr(base, HEAD))


def _has_head(model: ModelSettings) -> bool:
    """Whether the model rates already; a head that gives more numbers than one is an error."""
    try:
        config = AutoConfig.from_pretrained(locate(model.model), trust_remote_code=model.trust_remote_code)
    except (OSError, ValueError) as error:
        raise TrainingError(not_loaded(model, error)) from error
    has_head = any("ForSequenceClassification" in name for name in config.architectures or ())
    if has_head and config.num_labels != 1:
        raise TrainingError(
            f"{model.model} gives {config.num_labels} numbers to a text, and a reward is one\n"
            "train a language model, or a model with one output further"
        )
    return has_head


def _adapted(base: PreTrainedModel, model: ModelSettings) -> PeftModel:
    """The base with the adapter, to be trained further, whatever task it was trained for."""
    adapter = require_adapter(model)
    try:
        config = PeftConfig.from_pretrained(str(adapter))
        if not isinstance(config, LoraConfig):
            raise TrainingError(f"{adapter} holds a {config.peft_type} adapter: give that of a LoRA adapter")
        config.inference_mode = False
        # An adapter of SFT has no head yet, and PEFT looks for one.
        own = {f"base_model.model.{HEAD}.{name}": weight for name, weight in _head(base).state_dict().items()}
        peft_model = cast("PeftModel", get_peft_model(base, with_its_head(config)))
        weights = own | load_peft_weights(str(adapter))
        left_over = set_peft_model_state_dict(peft_model, weights).unexpected_keys
    except (OSError, ValueError, RuntimeError) as error:
        if isinstance(error, TrainingError):
            raise
        raise TrainingError(not_loaded(model, error)) from error
    if left_over:
        raise TrainingError(f"{adapter} changes layers that {model.model} has not: {left_over[0]}")
    return peft_model


def with_its_head(config: LoraConfig) -> LoraConfig:
    """A LoRA that trains the whole head with it, and saves it."""
    config.task_type = TaskType.SEQ_CLS
    config.modules_to_save = [HEAD]
    return config


def _unused(tokenizer: PreTrainedTokenizerBase) -> Iterator[str]:
    """Tokens that can pad: that for unknown words, then other special ones."""
    for token in (tokenizer.unk_token, *tokenizer.all_special_tokens):
        if isinstance(token, str):
            yield token
    for added in tokenizer.added_tokens_decoder.values():
        if added.special:
            yield added.content
