"""A tiny language model that always answers a prompt alike, so that rollouts can be held against each other.

What it answers follows from the prompt and from how often the same prompt stands before it in the batch, and
not from its weights; how likely it finds that does. It loads as any other model, by `model_type: repeats`.
"""

import hashlib
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import (
    AutoConfig,
    AutoModel,
    AutoModelForCausalLM,
    AutoModelForSequenceClassification,
    LlamaConfig,
    LlamaForCausalLM,
    LlamaForSequenceClassification,
    LlamaModel,
)

ANSWER = 8
END = 1
"""The byte tokenizer's end token, which pads as well."""


class RepeatsConfig(LlamaConfig):
    model_type = "repeats"


class Repeats(LlamaForCausalLM):
    config_class = RepeatsConfig

    def generate(self, input_ids: Tensor, attention_mask: Tensor, **_: Any) -> Tensor:  # type: ignore[override]
        """Eight tokens for each prompt; in most answers one of them is the end."""
        seen: dict[tuple[int, ...], int] = {}
        answers = []
        for row, mask in zip(input_ids, attention_mask, strict=True):
            prompt = tuple(row[mask.bool()].tolist())
            seen[prompt] = seen.get(prompt, 0) + 1
            answers.append(_answer(prompt, seen[prompt]))
        return torch.cat([input_ids, torch.tensor(answers, device=input_ids.device)], 1)


class RepeatsLayers(LlamaModel):
    config_class = RepeatsConfig


class RepeatsHead(LlamaForSequenceClassification):
    config_class = RepeatsConfig


def _answer(prompt: tuple[int, ...], time: int) -> list[int]:
    seed = int.from_bytes(hashlib.sha256(repr((prompt, time)).encode()).digest()[:4], "big")
    generator = torch.Generator().manual_seed(seed)
    said = torch.randint(2, 258, (ANSWER,), generator=generator).tolist()
    end = int(torch.randint(2, ANSWER + 2, (), generator=generator))
    return [END if place == end else token for place, token in enumerate(said)]


AutoConfig.register("repeats", RepeatsConfig)
AutoModel.register(RepeatsConfig, RepeatsLayers)
AutoModelForCausalLM.register(RepeatsConfig, Repeats)
AutoModelForSequenceClassification.register(RepeatsConfig, RepeatsHead)


def save_repeats(of: Path, folder: Path) -> Path:
    """The model with the weights and the tokenizer of a tiny Llama."""
    model = LlamaForCausalLM.from_pretrained(of)
    settings = {name: value for name, value in model.config.to_dict().items() if name != "model_type"}
    repeats = Repeats(RepeatsConfig(**settings))
    repeats.load_state_dict(model.state_dict())
    repeats.save_pretrained(folder)
    for file in [*of.glob("*token*"), of / "chat_template.jinja"]:
        (folder / file.name).write_bytes(file.read_bytes())
    return folder
