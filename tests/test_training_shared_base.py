"""Models beside the policy on its own base: they say what they say on a base of their own."""

from pathlib import Path

import pytest
import torch
from peft import LoraConfig, PeftModel, get_peft_model
from training_fixtures import rating_adapter, tiny, tiny_model
from transformers import AutoModelForCausalLM

from engine.reward_head import load_reward_model, rewards
from training.model import TrainingError
from training.shared_base import beside_copy, beside_folder, beside_policy

__all__ = ["rating_adapter", "tiny_model"]

IDS = torch.tensor([[5, 6, 7, 8], [9, 10, 11, 12]])
MASK = torch.ones_like(IDS)


def policy(folder: Path) -> PeftModel:
    torch.manual_seed(0)
    config = LoraConfig(task_type="CAUSAL_LM", target_modules=["q_proj", "v_proj"], init_lora_weights=False)
    return get_peft_model(AutoModelForCausalLM.from_pretrained(folder), config)  # type: ignore[return-value]


def test_a_reward_model_gives_what_it_gives_alone_and_is_not_trained(
    tiny_model: Path, rating_adapter: Path
) -> None:
    model = policy(tiny_model)
    with torch.no_grad():
        before = model(IDS).logits
        beside = beside_folder(model, "rates0", rating_adapter)
        told = beside.numbers(IDS, MASK)[:, -1]
        torch.testing.assert_close(model(IDS).logits, before)
    alone, _ = load_reward_model(tiny(tiny_model, rating_adapter), torch.device("cpu"))
    torch.testing.assert_close(told, torch.tensor(rewards(alone, IDS.tolist())), rtol=1e-4, atol=1e-5)
    assert not any(weight.requires_grad for weight in beside.named().values())
    assert any(weight.requires_grad for weight in model.parameters())


def test_a_copy_of_the_policy_hears_what_it_hears_and_says_0(tiny_model: Path) -> None:
    model = policy(tiny_model)
    beside = beside_policy(model, "critic")
    assert beside.numbers(IDS, MASK).eq(0).all()
    weights = dict(model.named_parameters())
    copied = [name for name in weights if "critic" in name.split(".")]
    assert len(copied) == sum("default" in name.split(".") for name in weights) > 0
    for name in copied:
        torch.testing.assert_close(weights[name], weights[name.replace(".critic", ".default")])
    assert set(beside.named()) == {*copied, "score.weight"}


def test_a_copy_of_a_reward_model_gives_the_same(tiny_model: Path, rating_adapter: Path) -> None:
    model = policy(tiny_model)
    first = beside_folder(model, "rates0", rating_adapter)
    second = beside_copy(first, "critic")
    torch.testing.assert_close(second.numbers(IDS, MASK), first.numbers(IDS, MASK))
    with torch.no_grad():
        second.head.weight.mul_(2)
    torch.testing.assert_close(second.numbers(IDS, MASK), 2 * first.numbers(IDS, MASK))


def test_an_adapter_without_a_head_cannot_rate(tiny_model: Path, tmp_path: Path) -> None:
    policy(tiny_model).save_pretrained(str(tmp_path))
    with pytest.raises(TrainingError, match="has no head to rate with"):
        beside_folder(policy(tiny_model), "rates0", tmp_path)
