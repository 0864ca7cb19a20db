"""Folded batches: one worked by hand, and hidden states and gradients as without folding, for any batch."""

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from transformers import LlamaConfig, LlamaModel, MistralConfig, MistralForCausalLM
from transformers.models.llama.modeling_llama import LlamaForCausalLM

from engine import attention
from training.shared_prompts import fold, pairs, prompts, shared_prompts

SHAPE: dict[str, Any] = {
    "vocab_size": 11, "hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 2,
    "num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 64,
}  # fmt: skip


def llama() -> LlamaForCausalLM:
    torch.manual_seed(0)
    return LlamaForCausalLM(LlamaConfig(**SHAPE)).eval()


def padded(rows: list[list[int]], *, left: list[int] | None = None) -> tuple[Tensor, Tensor]:
    """Token ids and their mask, padded on the right, and on the left by so many."""
    before = left or [0] * len(rows)
    width = max(skip + len(row) for skip, row in zip(before, rows, strict=True))
    around = [([0] * skip, [0] * (width - skip - len(row))) for skip, row in zip(before, rows, strict=True)]
    ids = torch.tensor([start + row + end for (start, end), row in zip(around, rows, strict=True)])
    mask = [start + [1] * len(row) + end for (start, end), row in zip(around, rows, strict=True)]
    return ids, torch.tensor(mask)


def hidden(model: LlamaForCausalLM, ids: Tensor, mask: Tensor) -> Tensor:
    return model.base_model(input_ids=ids, attention_mask=mask).last_hidden_state


def gradients(model: LlamaForCausalLM) -> list[Tensor]:
    return [weight.grad.clone() for weight in model.base_model.parameters() if weight.grad is not None]


def widths(model: Any, *, rows: list[list[int]], groups: list[int]) -> list[tuple[int, ...]]:
    """The shapes of what the layers are asked inside."""
    seen: list[tuple[int, ...]] = []
    ids, mask = padded(rows)
    first = model.base_model.layers[0].register_forward_pre_hook(lambda _, args: seen.append(args[0].shape))
    with shared_prompts(model, torch.tensor(groups)):
        model(input_ids=ids, attention_mask=mask)
    first.remove()
    return [shape[:2] for shape in seen]


def test_a_pair_folded_by_hand() -> None:
    ids, mask = padded([[5, 6, 7, 8], [5, 6, 9]])
    folded = fold(ids, mask.bool(), torch.tensor([0, 0]))
    assert folded.ids.tolist() == [[5, 6, 7, 8, 9]]
    assert folded.positions.tolist() == [[0, 1, 2, 3, 2]]
    assert folded.mask[0, 0].int().tolist() == [
        [1, 0, 0, 0, 0],
        [1, 1, 0, 0, 0],
        [1, 1, 1, 0, 0],
        [1, 1, 1, 1, 0],
        [1, 1, 0, 0, 1],
    ]
    assert folded.places.tolist() == [[0, 1, 2, 3], [0, 1, 4, 0]]


def test_groups_of_unequal_size_lie_one_below_the_other() -> None:
    ids, mask = padded([[1, 2], [3, 4], [3, 5, 6], [3, 4]])
    folded = fold(ids, mask.bool(), torch.tensor([0, 1, 1, 1]))
    assert folded.ids.tolist() == [[1, 2, 0, 0, 0], [3, 4, 5, 6, 4]]
    assert folded.positions.tolist() == [[0, 1, 0, 0, 0], [0, 1, 1, 2, 1]]
    assert folded.places.tolist() == [[0, 1, 0], [5, 6, 0], [5, 7, 8], [5, 9, 0]]


def test_rows_that_are_padded_on_the_left_are_folded_from_where_they_begin() -> None:
    ids, mask = padded([[5, 6, 7, 8], [5, 6, 9]], left=[0, 2])
    folded = fold(ids, mask.bool(), torch.tensor([0, 0]))
    assert folded.ids.tolist() == [[5, 6, 7, 8, 9]]
    assert folded.places.tolist() == [[0, 1, 2, 3, 0], [0, 0, 0, 1, 4]]


def test_rows_of_one_prompt_are_a_group() -> None:
    ids = torch.tensor([[0, 3, 4, 9, 9], [3, 4, 4, 9, 9], [0, 3, 4, 8, 0]])
    groups = prompts(ids, 2).tolist()
    assert groups[0] == groups[2] != groups[1]


def test_the_groups_of_a_batch_of_pairs() -> None:
    assert pairs({"input_ids": torch.zeros(6, 3)}).tolist() == [0, 1, 2, 0, 1, 2]


token = st.integers(1, 10)
answers = st.lists(st.lists(token, min_size=1, max_size=4), min_size=1, max_size=4)
batches = st.lists(st.tuples(st.lists(token, min_size=1, max_size=9), answers), min_size=1, max_size=3)


@settings(max_examples=40, deadline=None)
@given(
    batches, st.sampled_from(["sdpa", attention.register()]), st.booleans(), st.randoms(use_true_random=False)
)
def test_hidden_states_and_gradients_are_those_of_rows_by_themselves(
    batch: list[tuple[list[int], list[list[int]]]], implementation: str, by_prompt: bool, order: Any
) -> None:
    rows = [(number, prompt + answer) for number, (prompt, given) in enumerate(batch) for answer in given]
    order.shuffle(rows)
    longest = max(len(prompt) for prompt, _ in batch)
    left = [longest - len(batch[number][0]) for number, _ in rows] if by_prompt else None
    ids, mask = padded([row for _, row in rows], left=left)
    model = llama()
    model.set_attn_implementation(implementation)
    told: list[tuple[Tensor, list[Tensor]]] = []
    for folding in (False, True):
        model.zero_grad()
        if folding:
            with shared_prompts(model, torch.tensor([number for number, _ in rows])):
                states = hidden(model, ids, mask)
        else:
            states = hidden(model, ids, mask)
        states = states * mask[..., None]
        states.pow(3).sum().backward()
        told.append((states.detach(), gradients(model)))
    assert torch.allclose(told[0][0], told[1][0], atol=1e-5)
    assert told[0][1]
    for alone, together in zip(told[0][1], told[1][1], strict=True):
        assert torch.allclose(alone, together, rtol=1e-3, atol=1e-4)


def test_a_pair_is_asked_about_in_one_row() -> None:
    rows = [[1, 2, 3, 4, 5, 6, 7], [1, 2, 3, 4, 5, 8]]
    assert widths(llama(), rows=rows, groups=[0, 0]) == [(1, 8)]


def test_rows_that_share_nothing_are_left_as_they_are() -> None:
    assert widths(llama(), rows=[[1, 2, 3, 4], [5, 6, 7, 8]], groups=[0, 0]) == [(2, 4)]


def test_outside_nothing_is_folded() -> None:
    model = llama()
    rows = [[1, 2, 3, 4], [1, 2, 3, 5]]
    assert widths(model, rows=rows, groups=[0, 0]) == [(1, 5)]
    ids, mask = padded(rows)
    assert model(input_ids=ids, attention_mask=mask).logits.shape == (2, 4, 11)
    with pytest.raises(RuntimeError, match="stopped"), shared_prompts(model, torch.tensor([0, 0])):
        raise RuntimeError("stopped")
    assert hidden(model, ids, mask).shape == (2, 4, 16)


def test_a_model_whose_attention_has_a_window_is_asked_as_ever() -> None:
    model = MistralForCausalLM(MistralConfig(**SHAPE, sliding_window=3))
    assert widths(model, rows=[[1, 2, 3, 4], [1, 2, 3, 5]], groups=[0, 0]) == [(2, 4)]


def test_eager_attention_is_asked_as_ever() -> None:
    model = llama()
    model.set_attn_implementation("eager")
    assert widths(model, rows=[[1, 2, 3, 4], [1, 2, 3, 5]], groups=[0, 0]) == [(2, 4)]
    assert isinstance(model.base_model, LlamaModel)
