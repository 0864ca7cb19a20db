"""Switching adapters: what layers use changes, what is trained does not; two backward passes are exact."""

from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig, PeftModel, get_peft_model
from training_fixtures import tiny_model
from transformers import AutoModelForCausalLM

from training.seams_adapters import POLICY, merged, wearing

__all__ = ["tiny_model"]

IDS = torch.tensor([[5, 6, 7, 8]])


def two_adapters(folder: Path, *, recompute: bool = False) -> PeftModel:
    """The policy's adapter and a second one, both random, both trained."""
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_pretrained(folder)
    config = LoraConfig(task_type="CAUSAL_LM", target_modules="all-linear", init_lora_weights=False)
    peft = get_peft_model(model, config)
    peft.add_adapter("other", config)
    for name, weight in peft.named_parameters():
        weight.requires_grad_("lora_" in name)
    if recompute:
        peft.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
        peft.enable_input_require_grads()
    return peft.train()  # type: ignore[return-value]


def said(model: Any) -> torch.Tensor:
    return model(IDS, use_cache=False).logits.sum()


def gradients(model: PeftModel) -> dict[str, torch.Tensor]:
    return {name: weight.grad for name, weight in model.named_parameters() if weight.grad is not None}


def test_each_adapter_says_its_own_and_none_says_what_the_base_says(tiny_model: Path) -> None:
    model = two_adapters(tiny_model)
    plain = AutoModelForCausalLM.from_pretrained(tiny_model)
    with torch.no_grad():
        mine = said(model)
        with wearing(model, "other"):
            other = said(model)
        with wearing(model, None):
            none = said(model)
        torch.testing.assert_close(said(model), mine)
        torch.testing.assert_close(none, said(plain))
        assert not torch.isclose(mine, other)


def test_everything_that_was_trained_stays_trained(tiny_model: Path) -> None:
    model = two_adapters(tiny_model)
    trained = {name for name, weight in model.named_parameters() if weight.requires_grad}
    with pytest.raises(KeyError), wearing(model, "other"), wearing(model, None):
        raise KeyError
    assert {name for name, weight in model.named_parameters() if weight.requires_grad} == trained


@pytest.mark.parametrize("recompute", [False, True])
def test_a_backward_pass_within_is_that_of_the_adapter_alone(tiny_model: Path, recompute: bool) -> None:
    model = two_adapters(tiny_model, recompute=recompute)
    with wearing(model, "other"):
        said(model).backward()
    said(model).backward()
    together = gradients(model)
    alone: dict[str, torch.Tensor] = {}
    for adapter in ("other", "default"):
        single = two_adapters(tiny_model)
        single.set_adapter(adapter)
        said(single).backward()
        alone |= {name: grad for name, grad in gradients(single).items() if adapter in name.split(".")}
    assert set(together) == set(alone)
    for name, grad in together.items():
        torch.testing.assert_close(grad, alone[name])


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_merged_weights_are_those_of_a_merged_model_and_the_base_stays_as_it_was(
    tiny_model: Path, dtype: torch.dtype
) -> None:
    model = two_adapters(tiny_model).to(dtype)  # type: ignore[arg-type]
    before = {name: weight.clone() for name, weight in model.state_dict().items()}
    plain = AutoModelForCausalLM.from_pretrained(tiny_model, dtype=dtype)
    told = {name: weight.clone() for name, weight in merged(model, POLICY)}
    assert {name: weight.shape for name, weight in told.items()} == {
        name: weight.shape for name, weight in plain.named_parameters()
    }
    assert all(torch.equal(weight, before[name]) for name, weight in model.state_dict().items())
    expected = dict(model.merge_and_unload(adapter_names=[POLICY]).named_parameters())
    for name, weight in told.items():
        assert torch.equal(weight, expected[name])
        assert torch.equal(weight, dict(plain.named_parameters())[name]) == ("proj" not in name)


def test_merging_and_unmerging_as_peft_does_would_change_a_base_in_bfloat16(tiny_model: Path) -> None:
    """The reason for `merged`: the day this fails, it can go."""
    model = two_adapters(tiny_model).to(torch.bfloat16)  # type: ignore[arg-type]
    before = {name: weight.clone() for name, weight in model.named_parameters() if "base_layer" in name}
    model.merge_adapter()
    model.unmerge_adapter()
    assert any(
        not torch.equal(weight, before[name]) for name, weight in model.named_parameters() if name in before
    )
