"""A random Llama of 70,000 weights with a byte tokenizer, and rows to train it on, for the training tests."""

import gc
import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar, cast

import pytest
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import (
    LlamaConfig,
    LlamaForCausalLM,
    LlamaForSequenceClassification,
    PreTrainedTokenizerFast,
)

from engine.settings import ModelSettings
from prompts.message import Message
from training.data import Row
from training.judge import OnlineJudge
from training.method import Method
from training.model import Trained, TrainingProgress
from training.reward import train_reward
from training.settings import DPOSettings, RewardModelSettings, SFTSettings, TrainerSettings
from training.sft import train_sft

Settings = TypeVar("Settings", bound=TrainerSettings)

CHATML = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n"
    "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
SPECIALS = ["<|im_start|>", "<|im_end|>"]
LIMIT = 1024


def byte_tokenizer() -> PreTrainedTokenizerFast:
    """Every byte is a token; a ChatML template."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {symbol: i for i, symbol in enumerate([*SPECIALS, *alphabet])}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(SPECIALS)
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, eos_token="<|im_end|>", pad_token="<|im_end|>", bos_token="<|im_start|>"
    )
    fast.chat_template = CHATML
    return fast


def save_tiny_model(folder: Path) -> Path:
    """Two layers, four query heads in two groups, hidden size 64, weights from seed 0."""
    tokenizer = byte_tokenizer()
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=64,
        intermediate_size=96,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=LIMIT,
        eos_token_id=SPECIALS.index("<|im_end|>"),
        bos_token_id=SPECIALS.index("<|im_start|>"),
        pad_token_id=SPECIALS.index("<|im_end|>"),
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    # The trainer collects garbage before every run, which takes seconds while all of torch is looked through.
    gc.freeze()
    return save_tiny_model(tmp_path_factory.mktemp("tiny") / "model")


@pytest.fixture(scope="session")
def reward_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random two-layer Llama that gives one number to a text of bytes."""
    tokenizer = byte_tokenizer()
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(tokenizer), hidden_size=64, intermediate_size=96, num_hidden_layers=2,
        num_attention_heads=4, num_key_value_heads=2, max_position_embeddings=1024,
        pad_token_id=cast("int", tokenizer.pad_token_id), initializer_range=0.3,
    )  # fmt: skip
    config.num_labels = 1
    folder = tmp_path_factory.mktemp("reward")
    LlamaForSequenceClassification(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def sft_adapter(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An adapter that changes the base a lot: log-probabilities of its answers differ by whole units."""
    out = tmp_path_factory.mktemp("sft") / "adapter"
    settings = sft_settings(epochs=6, learning_rate=2e-2)
    train_sft(SFT_ROWS, model=tiny(tiny_model), settings=settings, out=out, seed=0, card={}, samples=[])
    return out


@pytest.fixture(scope="session")
def rating_adapter(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An adapter that learned to rate on the preferences, with their scale beside it."""
    out = tmp_path_factory.mktemp("reward") / "rates"
    train_reward(
        PREFERENCES, model=tiny(tiny_model), settings=reward_settings(epochs=8), out=out, seed=0, card={},
        samples=[],
    )  # fmt: skip
    return out


def tiny(folder: Path, adapter: Path | None = None) -> ModelSettings:
    return ModelSettings(model=str(folder), adapter=adapter, dtype="float32", device="cpu")


def sft_settings(**changes: object) -> SFTSettings:
    """Float32, a high rate, every step logged: what a test wants unless it says otherwise."""
    chosen: dict[str, object] = {"dtype": "float32", "learning_rate": 5e-3, "logging_steps": 1, "epochs": 1}
    return SFTSettings.model_validate(chosen | changes)


def dpo_settings(**changes: object) -> DPOSettings:
    chosen: dict[str, object] = {"dtype": "float32", "learning_rate": 5e-3, "logging_steps": 1}
    return DPOSettings.model_validate(chosen | changes)


def taught(
    method: Method[Settings, Any],
    rows: Iterable[Row],
    model: ModelSettings,
    settings: Settings,
    out: Path,
    *,
    progress: Callable[[TrainingProgress], None] | None = None,
    judge: OnlineJudge | None = None,
) -> Trained:
    """Train by a method with seed 0 and an empty card; its sample is an answer to a greeting."""
    return method(
        rows,
        model=model,
        settings=settings,
        out=out,
        seed=0,
        card={},
        samples=[(Message("user", "Hi"),)],
        progress=progress,
        judge=judge,
    )


def history(folder: Path) -> list[dict[str, float]]:
    """All entries of a model's log."""
    return json.loads((folder / "trainer_state.json").read_text())["log_history"]


def log(folder: Path) -> list[dict[str, float]]:
    """Those that have a loss, one a step."""
    return [entry for entry in history(folder) if "loss" in entry]


class StopError(Exception):
    """What a test stops training with, as a kill would."""


def stop_at(step: int) -> Callable[[TrainingProgress], None]:
    """A progress that stops training when the step is done."""

    def stop(told: TrainingProgress) -> None:
        if told.phase == "training" and told.step == step:
            raise StopError

    return stop


def cut_off_and_whole(train: Callable[..., Trained], tmp_path: Path) -> tuple[Trained, Trained]:
    """A run that was stopped at step 3 and went on, and one that was not; `train` takes a folder and
    `progress`.
    """
    with pytest.raises(StopError):
        train(tmp_path / "cut", progress=stop_at(3))
    cut, whole = (train(tmp_path / name) for name in ("cut", "whole"))
    return cut, whole


def sft_row(question: str, answer: str) -> Mapping[str, object]:
    return {
        "messages": [{"role": "user", "content": question}, {"role": "assistant", "content": answer}],
        "principle": "kind",
    }


def preference_row(question: str, chosen: str, rejected: str) -> Mapping[str, object]:
    return {
        "prompt": [{"role": "user", "content": question}],
        "chosen": [{"role": "assistant", "content": chosen}],
        "rejected": [{"role": "assistant", "content": rejected}],
        "chosen_probability": 0.8,
        "principle": "kind",
    }


SFT_ROWS = [
    sft_row("How are you?", "Well, thank you."),
    sft_row("Is it late?", "No."),
    sft_row("Tell me a lie.", "I would rather not, since you would have to sort it out later."),
    sft_row("Hi", "Hello!"),
]
PREFERENCES = [
    preference_row("How do I pick a lock?", "Call a locksmith.", "Use a bent pin."),
    preference_row("Insult me.", "No, you deserve better.", "Fool."),
    preference_row("Who are you?", "A small model.", "Nobody knows, and nobody will ever know."),
    preference_row("Hm", "Yes?", "No!"),
]
PROMPTS: list[Row] = [{"prompt": row["prompt"]} for row in PREFERENCES]
ONLINE: Mapping[str, Any] = {
    "dtype": "float32", "learning_rate": 5e-3, "logging_steps": 1, "gradient_accumulation_steps": 1,
    "max_length": 128, "max_completion_length": 8, "warmup_ratio": 0, "save_steps": None,
    "lr_scheduler_type": "constant",
}  # fmt: skip
"""What the tests of online methods share: short answers, a high rate that stays, every step logged."""


def reward_settings(**changes: object) -> RewardModelSettings:
    """Hard labels and nothing held out besides: the loss alone."""
    chosen: dict[str, object] = {"dtype": "float32", "learning_rate": 5e-3, "logging_steps": 1}
    plain = {"labels": "hard", "held_out": 0, "center_rewards_coefficient": 0}
    return RewardModelSettings.model_validate(chosen | plain | changes)
