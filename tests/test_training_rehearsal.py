"""What a step over tensors without data is said to take, against what can be counted by hand."""

from collections.abc import Mapping
from pathlib import Path

import pytest
import torch
from training_fixtures import dpo_settings, reward_settings, sft_settings, tiny, tiny_model
from trl.trainer import utils as trl_utils

from training.alive import Alive
from training.load import precision
from training.rehearsal import Batch, InPlace, rehearsed
from training.settings import TrainerSettings
from training.skeleton import skeleton

__all__ = ["tiny_model"]

VOCABULARY = 258
WORDS = trl_utils._CHUNKED_LOGPROB_CHUNK_SIZE  # pyright: ignore[reportPrivateUsage]
LONG = Batch(rows=4, tokens=256, learned=8)
"""Rows whose logits are small beside what the layers keep."""


def taken(
    folder: Path, settings: TrainerSettings, batch: Batch, *, rates: bool = False, accumulated: bool = False
) -> Mapping[str, int]:
    model = tiny(folder)
    return rehearsed(
        skeleton(model, settings, rates=rates),
        batch,
        precision(model, settings),
        checkpointed=settings.gradient_checkpointing,
        accumulated=accumulated,
    )


def test_logits_on_a_cpu_take_a_tile_and_seven_copies_of_it(tiny_model: Path) -> None:
    # TRL's backward pass holds y, z, log p, p, the gradient, and a difference and a product on their way into
    # it, all float32, with a byte a word for where the target is; its buffer is as wide as its tiles can be.
    # Beside them lie the hidden states that are asked about, and their gradient.
    rows = 4 * 64
    logits = taken(tiny_model, sft_settings(), Batch(rows=4, tokens=64, learned=rows))["logits"]
    assert logits == pytest.approx(rows * (4 * WORDS + (4 * 7 + 1) * VOCABULARY + 2 * 4 * 64), rel=0.01)


def test_logits_on_a_gpu_take_one_tile_and_gradients() -> None:
    hidden, head = torch.ones(10, 64, requires_grad=True), torch.ones(VOCABULARY, 64, requires_grad=True)
    with Alive([hidden, head]) as alive:
        InPlace.apply(hidden, head).sum().backward()
    gradients = 4 * 64 * (10 + VOCABULARY)
    assert sum(alive.most.values()) == pytest.approx(10 * 4 * WORDS + gradients, rel=0.01)


def test_activations_grow_with_the_rows_and_checkpoints_keep_an_input_a_layer(tiny_model: Path) -> None:
    def kept(rows: int, **changes: object) -> Mapping[str, int]:
        batch = Batch(rows=rows, tokens=256, learned=8)
        return taken(tiny_model, sft_settings(use_peft=False, **changes), batch)

    # Of more rows the peak may be a little later in the backward pass, where some are gone.
    assert kept(8)["activations"] == pytest.approx(2 * kept(4)["activations"], rel=0.1)
    # At the least each of two layers keeps its input and that of its feed-forward part, in float32.
    assert kept(4)["activations"] > 2 * 2 * 4 * 256 * 64 * 4
    checkpointed = kept(4, gradient_checkpointing=True)
    assert sum(checkpointed.values()) < 0.75 * sum(kept(4).values())
    assert checkpointed["activations"] < 0.5 * kept(4)["activations"]


def test_gradients_that_are_there_already_are_counted_whole(tiny_model: Path) -> None:
    settings = sft_settings(use_peft=False)
    built = skeleton(tiny(tiny_model), settings)
    whole = 4 * sum(weight.numel() for weight in built.parameters())
    assert taken(tiny_model, settings, LONG, accumulated=True)["gradients"] == whole
    assert taken(tiny_model, settings, LONG).get("gradients", 0) < whole


def test_a_reward_model_has_no_logits(tiny_model: Path) -> None:
    batch = Batch(rows=4, tokens=64, learned=4 * 64)
    assert "logits" not in taken(tiny_model, reward_settings(), batch, rates=True)


def test_answers_that_share_their_prompt_take_the_room_of_the_joined_row(tiny_model: Path) -> None:
    # Two pairs of 200 tokens, 150 of them the prompt: a pair has 150 + 2 x 50 tokens in the place of 400.
    apart = taken(tiny_model, dpo_settings(), Batch(rows=4, tokens=200, learned=8))
    joined = taken(tiny_model, dpo_settings(), Batch(rows=4, tokens=200, learned=8, groups=2, joined=250))
    assert joined["activations"] < 0.8 * apart["activations"]
    # Where hardly anything is shared, rows are computed as they are.
    hardly = Batch(rows=4, tokens=200, learned=8, groups=2, joined=390)
    assert taken(tiny_model, dpo_settings(), hardly) == apart
