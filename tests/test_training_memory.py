"""The estimate of parameters and memory: exact where it can be, and no weight is loaded."""

from pathlib import Path

import pytest
from training_fixtures import dpo_settings, reward_settings, sft_settings, tiny, tiny_model
from transformers import AutoModelForCausalLM

from training.memory import Batch, needed, skeleton

__all__ = ["tiny_model"]

BATCH = Batch(rows=4, tokens=64, learned=40)


def test_all_weights_are_counted_with_their_gradients_and_two_moments(tiny_model: Path) -> None:
    count = AutoModelForCausalLM.from_pretrained(tiny_model).num_parameters()
    need = needed(tiny(tiny_model), sft_settings(use_peft=False), BATCH)
    assert (need.parameters, need.trained) == (count, count)
    assert need.parts["weights"] == need.parts["gradients"] == 4 * count
    assert need.parts["optimizer"] == 8 * count


def test_of_lora_only_its_matrices_are_trained(tiny_model: Path) -> None:
    need = needed(tiny(tiny_model), sft_settings(lora_r=2, lora_target_modules=("q_proj",)), BATCH)
    # Two layers, each with A of 2 x 64 and B of 64 x 2.
    assert need.trained == 2 * (2 * 64 + 64 * 2)
    assert need.parts["gradients"] == 4 * need.trained


def test_a_reward_model_has_a_head_instead_of_words(tiny_model: Path) -> None:
    need = needed(tiny(tiny_model), reward_settings(use_peft=False), BATCH, rates=True)
    words = needed(tiny(tiny_model), sft_settings(use_peft=False), BATCH)
    assert words.parameters - need.parameters == 258 * 64 - 64


def test_nothing_of_a_skeleton_takes_memory(tiny_model: Path) -> None:
    built = skeleton(tiny(tiny_model), sft_settings())
    assert all(weight.is_meta for weight in built.parameters())


def test_activations_grow_with_the_rows_and_checkpoints_keep_fewer(tiny_model: Path) -> None:
    def kept(rows: int, **changes: object) -> int:
        batch = Batch(rows=rows, tokens=64, learned=40)
        return needed(tiny(tiny_model), sft_settings(use_peft=False, **changes), batch).parts["activations"]

    assert kept(8) == pytest.approx(2 * kept(4), rel=0.05)
    assert kept(4, gradient_checkpointing=True) < kept(4)
    # At the least each of two layers keeps its input and that of its feed-forward part, in float32.
    assert kept(4) > 2 * 2 * 4 * 64 * 64 * 4


def test_a_reference_that_is_not_asked_beforehand_is_held_beside(tiny_model: Path) -> None:
    def beside(**changes: object) -> int:
        parts = needed(tiny(tiny_model), dpo_settings(use_peft=False, **changes), BATCH).parts
        return parts.get("other models", 0)

    assert beside() == 0
    weights = needed(tiny(tiny_model), dpo_settings(use_peft=False), BATCH).parts["weights"]
    assert beside(precompute_ref_log_probs=False) == weights
