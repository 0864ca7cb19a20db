"""Packed rows of SFT: what lies in them, and a loss and gradients as if every conversation had a row."""

from itertools import chain
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st
from safetensors.torch import load_file
from test_training_shared_prompts import SHAPE, gradients, llama, padded
from training_fixtures import (
    SFT_ROWS,
    byte_tokenizer,
    cut_off_and_whole,
    log,
    sft_row,
    sft_settings,
    taught,
    tiny,
    tiny_model,
)
from transformers import LlamaConfig, MistralConfig, Qwen3NextConfig
from trl.trainer.sft_trainer import DataCollatorForLanguageModeling, SFTTrainer

from engine import attention
from engine.settings import ModelSettings
from training.data import read_sft
from training.examples import tokenize_examples
from training.model import Trained, TrainingError
from training.packing import LENGTHS, check_packing, packed, parted
from training.sft import train_sft

__all__ = ["tiny_model"]

token = st.integers(1, 10)
conversations = st.lists(st.lists(token, min_size=1, max_size=7), min_size=1, max_size=4)


@examples(max_examples=40, deadline=None)
@given(st.lists(conversations, min_size=1, max_size=3), st.sampled_from(["sdpa", attention.register()]))
def test_hidden_states_and_gradients_are_those_of_conversations_by_themselves(
    rows: list[list[list[int]]], implementation: str
) -> None:
    model = llama()
    model.set_attn_implementation(implementation)
    alone = torch.zeros(())
    for ids in (torch.tensor([each]) for row in rows for each in row):
        alone = alone + model.base_model(input_ids=ids).last_hidden_state.pow(3).sum()
    alone.backward()
    apart = gradients(model)
    model.zero_grad()
    collate = DataCollatorForLanguageModeling(0, return_position_ids=True)
    batch = collate([{"input_ids": [*chain.from_iterable(row)], LENGTHS: [*map(len, row)]} for row in rows])
    held = batch["attention_mask"]
    with parted(model):
        asked = {name: batch[name] for name in ("input_ids", "attention_mask", "position_ids")}
        states = model.base_model(**asked).last_hidden_state
    together = (states * held[..., None]).pow(3).sum()
    together.backward()
    assert together.item() == pytest.approx(alone.item(), rel=1e-4, abs=1e-4)
    for one, other in zip(apart, gradients(model), strict=True):
        assert torch.allclose(one, other, rtol=1e-3, atol=1e-4)


def test_outside_the_mask_is_kept() -> None:
    model, (ids, mask) = llama(), padded([[1, 2, 3], [4]])
    seen: list[Any] = []
    model.base_model.register_forward_pre_hook(
        lambda _, __, asked: seen.append(asked["attention_mask"]), with_kwargs=True
    )
    with pytest.raises(RuntimeError, match="stopped"), parted(model):
        raise RuntimeError("stopped")
    model(input_ids=ids, attention_mask=mask)
    assert seen[0].tolist() == [[1, 1, 1], [1, 0, 0]]


def test_rows_are_packed_whole_and_each_once() -> None:
    rows = tokenize_examples(read_sft(SFT_ROWS), byte_tokenizer(), max_length=200)
    together = packed(rows, max_length=200)
    alone = {tuple(row["input_ids"]): row["labels"] for row in rows.dataset.to_list()}
    found: dict[tuple[int, ...], list[int]] = {}
    for row in together.dataset.to_list():
        start = 0
        for tokens in row[LENGTHS]:
            found[tuple(row["input_ids"][start : start + tokens])] = row["labels"][start : start + tokens]
            start += tokens
        assert start == len(row["input_ids"]) <= 200
    assert found == alone
    assert len(together) < len(rows) == together.learned == 4
    assert together.counts() == {**rows.counts(), "rows_packed_into": len(together)}


def one_step(model: ModelSettings, out: Path, **changes: Any) -> Path:
    """A folder of a model that learned from all rows in each optimizer step."""
    settings = sft_settings(warmup_ratio=0, gradient_accumulation_steps=1, **changes)
    return taught(train_sft, SFT_ROWS, model, settings, out).folder


@pytest.mark.parametrize("use_peft", [True, False])
def test_a_packed_step_is_the_step_of_its_rows(tiny_model: Path, tmp_path: Path, use_peft: bool) -> None:
    model, kept = tiny(tiny_model), {"use_peft": use_peft, "epochs": 3, "lr_scheduler_type": "constant"}
    apart = one_step(model, tmp_path / "apart", batch_size=4, **kept)
    together = one_step(model, tmp_path / "together", batch_size=2, packing=True, max_length=200, **kept)
    told = [
        [(entry["loss"], entry["grad_norm"], entry["num_tokens"]) for entry in log(out)]
        for out in (apart, together)
    ]
    assert len(told[0]) == 3
    for one, other in zip(*told, strict=True):
        assert one == pytest.approx(other, rel=1e-4)


def test_accumulation_of_packed_rows_changes_nothing(tiny_model: Path, tmp_path: Path) -> None:
    runs = [
        taught(
            train_sft,
            SFT_ROWS,
            tiny(tiny_model),
            sft_settings(
                packing=True, max_length=200, epochs=2, batch_size=size, gradient_accumulation_steps=2 // size
            ),
            tmp_path / f"{size}",
        )
        for size in (1, 2)
    ]
    losses = [[entry["loss"] for entry in log(run.folder)] for run in runs]
    assert losses[0] == pytest.approx(losses[1], abs=1e-5)
    assert [run.rows for run in runs] == [4, 4]
    assert runs[0].metrics["rows_packed_into"] == 2


def test_a_packed_run_that_was_cut_off_ends_as_one_that_was_not(tiny_model: Path, tmp_path: Path) -> None:
    rows = [sft_row(f"Count to {number}", "One. " * number) for number in range(1, 9)]
    settings = sft_settings(
        packing=True, max_length=130, batch_size=1, gradient_accumulation_steps=1, save_steps=2
    )

    def train(out: Path, **more: Any) -> Trained:
        return taught(train_sft, rows, tiny(tiny_model), settings, out, **more)

    cut, whole = cut_off_and_whole(train, tmp_path)
    weights = [(run.folder / "adapter_model.safetensors").read_bytes() for run in (cut, whole)]
    assert weights[0] == weights[1]


def test_packed_rows_with_recomputed_activations_are_apart_too(tiny_model: Path, tmp_path: Path) -> None:
    made = [
        one_step(
            tiny(tiny_model),
            tmp_path / str(again),
            packing=True,
            max_length=200,
            gradient_checkpointing=again,
        )
        for again in (False, True)
    ]
    plain, recomputed = (load_file(out / "adapter_model.safetensors") for out in made)
    assert all(torch.allclose(plain[name], recomputed[name], atol=1e-6) for name in plain)


@pytest.mark.parametrize(
    "config",
    [
        MistralConfig(**SHAPE, sliding_window=3),
        Qwen3NextConfig(**SHAPE, num_experts=2, num_experts_per_tok=1, head_dim=4),
    ],
)
def test_a_model_whose_conversations_would_see_each_other_is_refused(config: Any) -> None:
    check_packing(LlamaConfig(**SHAPE), trust_remote_code=False)
    with pytest.raises(
        TrainingError, match=r"packing: .* would change each other\nset training.sft.packing: false"
    ):
        check_packing(config, trust_remote_code=False)


def test_the_seam_is_trls() -> None:
    """TRL's collator gives positions that begin anew, and its trainer hands them to the model."""
    collated = DataCollatorForLanguageModeling(9, return_position_ids=True)(
        [
            {"input_ids": [1, 2, 3], "labels": [-100, 2, 3], LENGTHS: [2, 1]},
            {"input_ids": [4], "labels": [-100], LENGTHS: [1]},
        ]
    )
    assert collated["position_ids"].tolist() == [[0, 1, 0], [0, 0, 0]]
    assert collated["labels"].tolist() == [[-100, 2, 3], [-100, -100, -100]]
    assert "compute_loss" in vars(SFTTrainer)
