"""Grouped attention against `transformers`' own, with padding masks, forward and backward."""

from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.nn import Module
from transformers import AutoModelForCausalLM
from transformers.integrations.sdpa_attention import sdpa_attention_forward

from engine import attention

BATCH, HEADS, GROUPS, WIDTH = 3, 4, 2, 8
PADDING = (0, 2, 5)
"""Tokens of padding on the left of each row."""


class Layer(Module):
    """What an attention function reads of the layer that calls it."""

    num_key_value_groups = HEADS // GROUPS
    is_causal = True


def states(tokens: int, past: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    query = torch.randn(BATCH, HEADS, tokens, WIDTH, generator=generator, requires_grad=True)
    key, value = (
        torch.randn(BATCH, GROUPS, past + tokens, WIDTH, generator=generator, requires_grad=True)
        for _ in range(2)
    )
    return query, key, value


def padding_mask(tokens: int, past: int = 0) -> Tensor:
    """True where a query may look: at no padding, and at nothing that comes later; padding sees itself."""
    queries, keys = torch.arange(past, past + tokens)[:, None], torch.arange(past + tokens)[None]
    rows = [(keys <= queries) & (keys >= padded) | (keys == queries) for padded in PADDING]
    return torch.stack(rows).unsqueeze(1)


@pytest.mark.parametrize(("tokens", "past"), [(7, 0), (1, 6), (3, 6)])
@pytest.mark.parametrize("masked", [True, False])
def test_grouped_attention_is_that_of_transformers(tokens: int, past: int, masked: bool) -> None:
    if past and not masked:
        past = 0
    mask = padding_mask(tokens, past) if masked else None
    found = []
    for attend in (attention.grouped_sdpa, sdpa_attention_forward):
        inputs = states(tokens, past)
        output, _ = attend(Layer(), *inputs, mask, scaling=0.3)
        (output * torch.linspace(-1, 1, WIDTH)).sum().backward()
        found.append((output.detach(), *(tensor.grad for tensor in inputs)))
    torch.testing.assert_close(found[0], found[1], atol=1e-5, rtol=1e-5)


def test_short_rows_in_bfloat16_learn_as_in_float32_under_autocast() -> None:
    found = []
    for dtype, autocast in ((torch.float32, False), (torch.bfloat16, True)):
        query, key, value = (tensor.detach().to(dtype).requires_grad_() for tensor in states(7))
        with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
            output, _ = attention.grouped_sdpa(Layer(), query, key, value, padding_mask(7), scaling=0.3)
        assert output.dtype is dtype
        loss = (output.float() * torch.linspace(-1, 1, WIDTH)).sum()
        gradients = torch.autograd.grad(loss, (query, key, value))
        found.append([tensor.detach().float() for tensor in (output, *gradients)])
    torch.testing.assert_close(found[0], found[1], atol=2e-2, rtol=2e-2)


def test_a_model_with_grouped_attention_computes_and_learns_the_same(tiny_model: Path) -> None:
    ids = torch.randint(0, 256, (3, 12), generator=torch.Generator().manual_seed(2))
    mask = torch.ones_like(ids)
    for row, padded in enumerate(PADDING):
        mask[row, :padded] = 0
    labels = ids.masked_fill(mask == 0, -100)
    found = []
    for name in (attention.register(), "sdpa"):
        model = AutoModelForCausalLM.from_pretrained(
            tiny_model, dtype=torch.float32, attn_implementation=name
        )
        output = model(input_ids=ids, attention_mask=mask, labels=labels)
        output.loss.backward()
        gradients = [parameter.grad for parameter in model.parameters()]
        found.append((output.logits[mask == 1].detach(), output.loss.detach(), gradients))
    assert all(torch.isfinite(gradient).all() for gradient in found[0][2])
    torch.testing.assert_close(found[0], found[1], atol=1e-4, rtol=1e-3)
