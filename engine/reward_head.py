"""A model with one number for an answer, in memory: how it is loaded, and what it gives to token ids.

A sequence-classification model with one output, whole or as an adapter with its head over a language model.
The engine rates with it and training trains it, by the same functions, so that they agree on a reward.
"""

import contextlib
from collections.abc import Iterator, Sequence
from typing import cast

import torch
from peft import PeftModel
from torch import Tensor
from torch.nn import functional
from transformers import (
    AutoModelForSequenceClassification,
    AutoTokenizer,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)
from transformers.utils import logging

from engine import attention
from engine.local_model import locate, not_loaded, pick_dtype
from engine.protocol import EngineUnavailable
from engine.reward_folder import HEADS, brings_head
from engine.settings import ModelSettings

HEAD = "score"
"""What `transformers` calls the head of a decoder that classifies."""


class Float32Head(torch.nn.Linear):
    """A head that multiplies in float32 whatever the model computes in: bfloat16 has three digits only."""

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 (torch's name)
        with torch.autocast(input.device.type, enabled=False):
            return functional.linear(input.float(), self.weight, self.bias)


@contextlib.contextmanager
def without_load_report() -> Iterator[None]:
    """A language model has no head yet, and its own one is left over: no news to anybody."""
    verbosity = logging.get_verbosity()
    logging.set_verbosity_error()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)


def float32_head(model: PreTrainedModel) -> bool:
    """Keep the model's head in float32; False where it has no linear `score` that could be kept so."""
    plain = getattr(model, HEAD, None)
    if not isinstance(plain, torch.nn.Linear):
        return False
    head = Float32Head(plain.in_features, plain.out_features, bias=plain.bias is not None)
    head.load_state_dict(plain.state_dict())
    setattr(model, HEAD, head.to(plain.weight.device))
    return True


def load_reward_model(
    settings: ModelSettings, device: torch.device
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """Model ready to rate, with its adapter and head merged, and its tokenizer.

    Raises:
        EngineUnavailable: it is not there, gives more than one number, or has no trained head.
    """
    source, trust = locate(settings.model), settings.trust_remote_code
    options: dict[str, object] = {"attn_implementation": attention.register()} if device.type == "cpu" else {}
    if settings.adapter:
        options["num_labels"] = 1
    dtype = pick_dtype(settings.dtype, device)
    try:
        tokenizer = AutoTokenizer.from_pretrained(settings.adapter or source, trust_remote_code=trust)
        with without_load_report():
            model, info = AutoModelForSequenceClassification.from_pretrained(
                source,
                # Adapters are merged in float32: a bfloat16 sum would round small updates away.
                dtype=torch.float32 if settings.adapter else dtype,
                trust_remote_code=trust,
                output_loading_info=True,
                **options,
            )
        missing = {key.partition(".")[0] for key in info["missing_keys"]}
        _require_head(settings, model, headless=bool(missing & set(HEADS)))
        if settings.adapter:
            model = PeftModel.from_pretrained(model, str(settings.adapter)).merge_and_unload()
    except (OSError, ValueError) as error:
        raise EngineUnavailable(not_loaded(settings, error)) from error
    # The rule by which `transformers` finds the last token: the rightmost one that is no padding.
    if settings.adapter or model.config.get_text_config().pad_token_id is None:
        model.config.get_text_config().pad_token_id = tokenizer.pad_token_id
    return _ready(model, dtype, device), tokenizer


def rewards(model: PreTrainedModel, rows: Sequence[Sequence[int]]) -> list[float]:
    """What the model gives to each row of token ids, asked as one batch, padded on the right."""
    pad = model.config.get_text_config().pad_token_id
    longest = max(map(len, rows))
    ids = [[*row, *[pad] * (longest - len(row))] for row in rows]
    mask = [[1] * len(row) + [0] * (longest - len(row)) for row in rows]
    with torch.inference_mode():
        told = model(
            input_ids=torch.tensor(ids, device=model.device),
            attention_mask=torch.tensor(mask, device=model.device),
            use_cache=False,
        )
    return cast("list[float]", told.logits[:, 0].float().tolist())


def _require_head(settings: ModelSettings, model: PreTrainedModel, *, headless: bool) -> None:
    if model.config.num_labels != 1:
        raise EngineUnavailable(
            f"{settings.model} gives {model.config.num_labels} numbers to a text, a reward model gives one\n"
            "  next: name a sequence-classification model with one output"
        )
    if headless and not (settings.adapter and brings_head(settings.adapter)):
        named = f"{settings.model} with adapter {settings.adapter}" if settings.adapter else settings.model
        raise EngineUnavailable(
            f"{named} is no reward model: it has no head, and would rate at random\n"
            "  next: name a model that was trained to rate, such as `models/reward` of a run"
        )


def _ready(model: PreTrainedModel, dtype: torch.dtype, device: torch.device) -> PreTrainedModel:
    """The model in its dtype, its head in float32.

    Weights alone are converted: in bfloat16 the rotary frequencies, which are buffers, would be off.
    """
    kept = {id(weight) for weight in getattr(model, HEAD).parameters()} if float32_head(model) else set[int]()
    for weight in model.parameters():
        if id(weight) not in kept:
            weight.data = weight.data.to(dtype)
    return cast("PreTrainedModel", cast("torch.nn.Module", model).to(device)).eval()
