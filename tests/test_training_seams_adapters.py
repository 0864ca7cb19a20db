"""Switching adapters: what layers use changes, what is trained does not; two backward passes are exact."""

from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig, PeftModel, get_peft_model
from training_fixtures import tiny_model
from transformers import AutoModelForCausalLM

from training.seams_adapters import wearing

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
