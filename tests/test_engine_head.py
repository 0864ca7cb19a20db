"""Logits as products in float32, of a model that computes in bfloat16."""

from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, PreTrainedModel

import engine.head
from engine.decode import next_token_logprobs
from engine.head import float32_logits

PROMPT = [5, 9, 12, 30]


@pytest.fixture
def model(tiny_model: Path) -> PreTrainedModel:
    return AutoModelForCausalLM.from_pretrained(tiny_model, dtype=torch.bfloat16).eval()


def logits(model: PreTrainedModel) -> tuple[torch.Tensor, torch.Tensor]:
    """Of the token after the prompt, and the states that they are made of."""
    with torch.inference_mode():
        output = model(input_ids=torch.tensor([PROMPT]), output_hidden_states=True)
    return output.logits[0, -1], output.hidden_states[-1][0, -1]


def test_logits_are_float32_products_within_and_the_models_own_afterwards(model: PreTrainedModel) -> None:
    before, states = logits(model)
    with float32_logits(model):
        exact, _ = logits(model)
    head = model.get_output_embeddings()
    assert isinstance(head, torch.nn.Linear)
    wanted = head.weight.float() @ states.float()
    assert (before.dtype, exact.dtype) == (torch.bfloat16, torch.float32)
    torch.testing.assert_close(exact, wanted)
    assert not torch.equal(exact, before.float())
    assert torch.equal(logits(model)[0], before)


def test_a_vocabulary_in_parts_gives_the_same(
    model: PreTrainedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    with float32_logits(model):
        whole, _ = logits(model)
    monkeypatch.setattr(engine.head, "ROWS", 37)
    with float32_logits(model):
        torch.testing.assert_close(logits(model)[0], whole)


def test_a_model_in_float32_is_left_alone(tiny_model: Path) -> None:
    model = AutoModelForCausalLM.from_pretrained(tiny_model).eval()
    with float32_logits(model):
        assert "forward" not in vars(model.get_output_embeddings())


def test_labels_are_read_off_float32_logits(model: PreTrainedModel) -> None:
    """So that two labels' log-odds are no multiple of what bfloat16 can tell apart."""
    told = next_token_logprobs(model, [PROMPT]).logprobs[0]
    with float32_logits(model):
        exact, _ = logits(model)
    torch.testing.assert_close(told, exact.log_softmax(dim=-1), atol=0.05, rtol=0)
    rounded = told - told.max()
    assert not torch.equal(rounded, rounded.bfloat16().float())
