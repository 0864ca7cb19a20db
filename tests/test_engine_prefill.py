"""Shared beginnings through a model: the answers are those to prompts that are read alone."""

import asyncio
import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, MistralConfig, MistralForCausalLM, PreTrainedModel

from engine.decode import Row, completion_logprobs, generate, next_token_logprobs
from engine.hf import TransformersEngine
from engine.prefill import PART_TOKENS
from engine.protocol import Sampling
from prompts.message import Message, Prompt

NEVER: frozenset[int] = frozenset()


@pytest.fixture(scope="module")
def model(tiny_model: Path) -> PreTrainedModel:
    return AutoModelForCausalLM.from_pretrained(tiny_model, dtype=torch.float32).eval()


@contextmanager
def passed(model: PreTrainedModel) -> Iterator[list[tuple[int, ...]]]:
    """Shapes of the token ids that go through the model meanwhile."""
    shapes: list[tuple[int, ...]] = []

    def count(_module: object, _args: object, given: dict[str, torch.Tensor]) -> None:
        shapes.append(tuple(given["input_ids"].shape))

    hook = model.register_forward_pre_hook(count, with_kwargs=True)
    try:
        yield shapes
    finally:
        hook.remove()


def tokens(count: int, seed: int) -> list[int]:
    return random.Random(seed).choices(range(256), k=count)


def both_orders(principles: int) -> list[list[int]]:
    """A head and a talk, two responses in both orders, and one ending for each principle on each order."""
    start, first, second = tokens(40, 1), tokens(45, 2), tokens(35, 3)
    orders = (first + second, second + first)
    return [start + order + tokens(5 + i, 100 + i) for i in range(principles) for order in orders]


def mixed() -> list[list[int]]:
    """Both orders, some that begin like them, one that is the beginning of others, and strangers."""
    family = both_orders(3)
    return [
        *family,
        family[0][:90],
        family[0][:90],
        tokens(70, 7),
        family[2][:100] + tokens(60, 8),
        tokens(3, 9),
    ]


def plain_logits(model: PreTrainedModel, ids: Sequence[int]) -> torch.Tensor:
    with torch.inference_mode():
        return model(torch.tensor([list(ids)])).logits[0]


def test_a_both_order_label_of_eight_principles_reads_each_beginning_once(model: PreTrainedModel) -> None:
    prompts = both_orders(8)
    with passed(model) as shapes:
        told = next_token_logprobs(model, prompts)
    # The talk; both orders of the responses; sixteen endings of 5 to 12 tokens, padded to the longest.
    assert shapes == [(1, 40), (2, 80), (16, 12)]
    assert sum(map(len, prompts)) == 16 * 120 + 2 * sum(range(5, 13)) == 2056
    read = 40 + 2 * 80 + 2 * sum(range(5, 13))
    assert sum(map(len, prompts)) - sum(told.cached) == read == 336


def test_what_follows_prompts_that_share_is_what_follows_each_alone(model: PreTrainedModel) -> None:
    prompts = mixed()
    told = next_token_logprobs(model, prompts)
    alone = torch.stack([plain_logits(model, ids)[-1].log_softmax(-1) for ids in prompts])
    torch.testing.assert_close(told.logprobs, alone, atol=1e-4, rtol=1e-4)
    assert sum(told.cached) > 400


def test_answers_to_prompts_that_share_are_those_to_each_alone(model: PreTrainedModel) -> None:
    samplings = [Sampling(max_tokens=6 + i % 4, temperature=i % 2, seed=i) for i in range(len(mixed()))]
    rows, alone = (
        [Row(ids, sampling) for ids, sampling in zip(mixed(), samplings, strict=True)] for _ in range(2)
    )
    with passed(model) as shapes:
        generate(model, rows, end_ids=NEVER)
    for row in alone:
        generate(model, [row], end_ids=NEVER)
    assert [row.ids for row in rows] == [row.ids for row in alone]
    assert sum(row.cached for row in rows) > 400
    assert all(row.cached == 0 for row in alone)
    assert sum(rows * width for rows, width in shapes if width > 1) < sum(map(len, mixed())) - 300


def test_completions_of_one_prompt_read_it_once(model: PreTrainedModel) -> None:
    prompt = tokens(90, 1)
    pairs = [(prompt, tokens(length, 50 + length)) for length in (1, 4, 9, 30)]
    pairs += [(tokens(20, 2), tokens(6, 3)), (prompt[:60], tokens(5, 4))]
    with passed(model) as shapes:
        scored = completion_logprobs(model, pairs)
    for (asked, completion), told in zip(pairs, scored, strict=True):
        logprobs = plain_logits(model, asked + completion).log_softmax(-1)
        plain = [logprobs[len(asked) - 1 + i, token].item() for i, token in enumerate(completion)]
        assert told.logprobs == pytest.approx(plain, abs=1e-4)
    assert sorted(told.cached for told in scored) == [0, 0, 59, 89, 89, 89]
    assert shapes[:2] == [(1, 59), (1, 20 + 5)]


def test_many_families_go_through_in_parts(model: PreTrainedModel) -> None:
    families = [[tokens(150, seed) + tokens(20 + i, 1000 + i) for i in range(3)] for seed in range(20)]
    prompts = [ids for family in families for ids in family]
    random.Random(0).shuffle(prompts)
    with passed(model) as shapes:
        told = next_token_logprobs(model, prompts)
    assert max(rows * width for rows, width in shapes) <= PART_TOKENS["cpu"] < 20 * 150
    assert sum(told.cached) == 20 * 2 * 150
    alone = torch.stack([plain_logits(model, ids)[-1].log_softmax(-1) for ids in prompts])
    torch.testing.assert_close(told.logprobs, alone, atol=1e-4, rtol=1e-4)


def test_a_model_that_forgets_what_lies_far_back_shares_nothing() -> None:
    torch.manual_seed(0)
    config = MistralConfig(
        vocab_size=256,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        sliding_window=16,
    )
    model = MistralForCausalLM(config).eval()
    prompts = both_orders(2)
    told = next_token_logprobs(model, prompts)
    assert told.cached == [0, 0, 0, 0]
    alone = torch.stack([plain_logits(model, ids)[-1].log_softmax(-1) for ids in prompts])
    torch.testing.assert_close(told.logprobs, alone, atol=1e-4, rtol=1e-4)
    rows = [Row(ids, Sampling(max_tokens=5, temperature=0)) for ids in prompts]
    generate(model, rows, end_ids=NEVER)
    for row in rows:
        output = model.generate(torch.tensor([row.prompt_ids]), do_sample=False, max_new_tokens=5)  # type: ignore[operator]
        assert row.ids == output[0, len(row.prompt_ids) :].tolist()


@pytest.mark.model
async def test_the_embedded_model_judges_a_shared_pair_as_it_judges_each_prompt_alone(
    embedded_engine: TransformersEngine,
) -> None:
    said = ("Feed the dog something that keeps it quiet.", "Write down the hours and ask a mediator.")
    questions = [
        f"(A) {a}\n(B) {b}\nWhich one is more {word}?"
        for word in ("kind", "honest", "careful")
        for a, b in (said, said[::-1])
    ]
    prefill = Message("assistant", "(")
    asked = [Prompt("t", "h", messages=(Message("user", question), prefill)) for question in questions]
    together = await asyncio.gather(*(embedded_engine.choose(prompt, ("A", "B")) for prompt in asked))
    for prompt, choice in zip(asked, together, strict=True):
        alone = await embedded_engine.choose(prompt, ("A", "B"))
        assert choice.logprobs == pytest.approx(alone.logprobs, abs=2e-4)
        assert alone.cached_tokens == 0
    assert sum(choice.cached_tokens for choice in together) > sum(c.prompt_tokens for c in together) / 4
