"""The estimate of parameters and memory: exact where it can be, and no weight is loaded."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from training_fixtures import dpo_settings, reward_settings, sft_settings, tiny, tiny_model
from transformers import AutoModelForCausalLM

from training.memory import needed
from training.rehearsal import Batch
from training.settings import GRPOSettings, PPOSettings
from training.skeleton import skeleton

__all__ = ["tiny_model"]

BATCH = Batch(rows=4, tokens=64, learned=40)
ONLINE = {
    "dtype": "float32", "batch_size": 2, "gradient_accumulation_steps": 2, "generation_batch_size": 4,
    "max_length": 64, "max_completion_length": 6, "reward_funcs": ({"function": "brevity"},),
}  # fmt: skip


def test_all_weights_are_counted_with_their_gradients_and_two_moments(tiny_model: Path) -> None:
    count = AutoModelForCausalLM.from_pretrained(tiny_model).num_parameters()
    settings = sft_settings(use_peft=False, gradient_accumulation_steps=2)
    need = needed(tiny(tiny_model), settings, BATCH)
    assert (need.parameters, need.trained) == (count, count)
    assert need.parts["weights"] == need.parts["gradients"] == 4 * count
    assert need.parts["optimizer"] == 8 * count


def test_of_lora_only_its_matrices_are_trained(tiny_model: Path) -> None:
    settings = sft_settings(lora_r=2, lora_target_modules=("q_proj",), gradient_accumulation_steps=2)
    need = needed(tiny(tiny_model), settings, BATCH)
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


def test_a_reference_that_is_not_asked_beforehand_is_held_beside(tiny_model: Path) -> None:
    def beside(**changes: object) -> int:
        parts = needed(tiny(tiny_model), dpo_settings(use_peft=False, **changes), BATCH).parts
        return parts.get("other models", 0)

    assert beside() == 0
    weights = needed(tiny(tiny_model), dpo_settings(use_peft=False), BATCH).parts["weights"]
    assert beside(precompute_ref_log_probs=False) == weights


def test_ppos_critic_learns_beside_the_policy(tiny_model: Path) -> None:
    def parts(kind: type[GRPOSettings | PPOSettings], **more: object) -> Mapping[str, int]:
        settings = kind.model_validate({**ONLINE, **more})
        return needed(tiny(tiny_model), settings, Batch(rows=2, tokens=64, learned=12)).parts

    beside, alone = parts(PPOSettings), parts(GRPOSettings, num_generations=2)
    assert beside["optimizer"] == 2 * alone["optimizer"]
    assert beside["gradients"] == 2 * alone["gradients"]
    # Its adapter over the policy's base, in float32.
    assert beside["other models"] == alone["gradients"]
    assert beside["activations"] == alone["activations"]


def test_what_sampling_takes_counts_where_it_is_more_than_a_step(tiny_model: Path) -> None:
    settings = PPOSettings.model_validate(ONLINE)
    step = Batch(rows=2, tokens=64, learned=12)
    few = needed(tiny(tiny_model), settings, replace(step, sampled=4))
    assert few == needed(tiny(tiny_model), settings, step)
    many = needed(tiny(tiny_model), settings, replace(step, sampled=10_000))
    # Keys and values of two layers, each of two heads of 16 numbers, in float32.
    assert many.parts["sampling"] == 10_000 * 64 * 2 * 2 * 2 * 16 * 4
    assert "activations" not in many.parts
