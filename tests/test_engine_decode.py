"""Batched decoding against plain `transformers`, exactly, on a tiny random model in float32."""

import math
import random
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import AutoModelForCausalLM, PreTrainedModel
from transformers.cache_utils import DynamicCache, DynamicLayer

from engine.cache import BLOCK, BlockLayer, block_cache
from engine.decode import (
    Row,
    completion_logprobs,
    generate,
    next_token_logprobs,
    sample,
)
from engine.prefill import PART_TOKENS
from engine.protocol import Sampling

NEVER: frozenset[int] = frozenset()
GREEDY = Sampling(max_tokens=BLOCK + 10, temperature=0.0)


@pytest.fixture(scope="module")
def model(tiny_model: Path) -> PreTrainedModel:
    return AutoModelForCausalLM.from_pretrained(tiny_model, dtype=torch.float32).eval()


def prompts(lengths: Sequence[int]) -> list[list[int]]:
    rng = random.Random(3)
    return [[rng.randrange(256) for _ in range(length)] for length in lengths]


def answers(
    model: PreTrainedModel, asked: Sequence[Sequence[int]], samplings: Sequence[Sampling]
) -> list[list[int]]:
    rows = [Row(ids, sampling) for ids, sampling in zip(asked, samplings, strict=True)]
    generate(model, rows, end_ids=NEVER)
    return [row.ids for row in rows]


def alone(
    model: PreTrainedModel, asked: Sequence[Sequence[int]], samplings: Sequence[Sampling]
) -> list[list[int]]:
    return [answers(model, [ids], [sampling])[0] for ids, sampling in zip(asked, samplings, strict=True)]


def test_greedy_answers_of_a_padded_batch_are_those_of_transformers(model: PreTrainedModel) -> None:
    asked = prompts([3, 40, 17])
    expected = []
    for ids in asked:
        output = model.generate(  # type: ignore[operator]
            torch.tensor([ids]), do_sample=False, max_new_tokens=GREEDY.max_tokens, eos_token_id=None
        )
        expected.append(output[0, len(ids) :].tolist())
    assert len(set(expected[0])) > 5, "the model should not repeat itself"
    assert answers(model, asked, [GREEDY] * 3) == expected


def test_a_seeded_answer_is_the_same_alone_and_in_a_batch(model: PreTrainedModel) -> None:
    asked = prompts([5, 30, 12, 12])
    samplings = [Sampling(max_tokens=40, temperature=0.8, top_p=top_p, seed=7) for top_p in (1, 0.9, 0.5, 1)]
    together = answers(model, asked, samplings)
    assert together == alone(model, asked, samplings)
    assert together == answers(model, asked, samplings), "the same seed gives the same answer"


def test_another_seed_gives_another_answer(model: PreTrainedModel) -> None:
    asked = prompts([12]) * 2
    first, second = answers(model, asked, [Sampling(max_tokens=20, seed=1), Sampling(max_tokens=20, seed=2)])
    assert first != second


def test_rows_that_leave_the_batch_early_change_nothing_for_the_others(model: PreTrainedModel) -> None:
    lengths = [1, 2, 3, 5, 8, 40, 41, BLOCK + 30]
    samplings = [Sampling(max_tokens=length, temperature=i % 2, seed=i) for i, length in enumerate(lengths)]
    asked = prompts([9, 4, 30, 7, 22, 3, 16, 11])
    together = answers(model, asked, samplings)
    assert [len(ids) for ids in together] == lengths
    assert together == alone(model, asked, samplings)


def test_a_prompt_batch_that_goes_through_in_parts_gives_the_answers_of_each_prompt(
    model: PreTrainedModel,
) -> None:
    asked = prompts([300, 120, 299, 300, 80, 240, 300, 10, 150])
    assert len(asked) * 300 > PART_TOKENS["cpu"]
    short = [Sampling(max_tokens=4, temperature=0.0)] * len(asked)
    assert answers(model, asked, short) == alone(model, asked, short)


def test_the_block_cache_holds_what_a_plain_cache_holds(model: PreTrainedModel) -> None:
    blocks, plain = block_cache(model), DynamicCache(config=model.config)
    ids = torch.tensor(prompts([BLOCK + 5, BLOCK + 5]))
    with torch.inference_mode():
        for part in [ids[:, : BLOCK - 3], *ids[:, BLOCK - 3 :].split(1, dim=1)]:
            logits = [model(part, past_key_values=cache, use_cache=True).logits for cache in (blocks, plain)]
            assert torch.equal(*logits)
    assert blocks.get_seq_length() == plain.get_seq_length() == BLOCK + 5
    for cache in (blocks, plain):
        cache.batch_select_indices(torch.tensor([1]))
    for ours, theirs in zip(blocks.layers, plain.layers, strict=True):
        assert isinstance(ours, BlockLayer)
        assert isinstance(theirs, DynamicLayer)
        torch.testing.assert_close((ours.keys, ours.values), (theirs.keys, theirs.values), rtol=0, atol=0)


def test_an_end_token_ends_an_answer_and_is_no_part_of_it(model: PreTrainedModel) -> None:
    [asked] = prompts([6])
    [free] = answers(model, [asked], [GREEDY])
    end = free[8]
    row, capped = Row(asked, GREEDY), Row(asked, Sampling(max_tokens=3, temperature=0.0))
    generate(model, [row, capped], end_ids=frozenset({end}))
    assert row.ids == free[: free.index(end)]
    assert row.ended
    assert (capped.ids, capped.ended, capped.done) == (free[:3], False, True)


def test_a_row_ends_where_its_stop_says_so(model: PreTrainedModel) -> None:
    [asked] = prompts([6])
    row = Row(asked, GREEDY, ends_with_stop=lambda ids: len(ids) == 4)
    generate(model, [row], end_ids=NEVER)
    assert (len(row.ids), row.ended) == (4, True)


def test_next_token_logprobs_are_those_of_a_plain_forward(model: PreTrainedModel) -> None:
    asked = prompts([4, 25, 11])
    with torch.inference_mode():
        plain = [model(torch.tensor([ids])).logits[0, -1].log_softmax(-1) for ids in asked]
    torch.testing.assert_close(
        next_token_logprobs(model, asked).logprobs, torch.stack(plain), atol=1e-4, rtol=1e-4
    )


@pytest.mark.parametrize("learns", [True, False])
def test_the_vocabularys_weights_are_not_copied_for_every_row(tiny_model: Path, learns: bool) -> None:
    model = AutoModelForCausalLM.from_pretrained(tiny_model, dtype=torch.float32).eval()
    model.requires_grad_(learns)
    rows = 6
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU], record_shapes=True) as ran:
        next_token_logprobs(model, prompts([5] * rows))
    copied = [rows, model.config.hidden_size, model.config.vocab_size]
    assert not [op for op in ran.events() or () if copied in (op.input_shapes or ())]


def test_completion_logprobs_are_those_of_a_plain_forward(model: PreTrainedModel) -> None:
    pairs = list(zip(prompts([4, 25, 11]), prompts([9, 1, 5]), strict=True))
    for (prompt, completion), ours in zip(pairs, completion_logprobs(model, pairs), strict=True):
        with torch.inference_mode():
            logprobs = model(torch.tensor([prompt + completion])).logits[0].log_softmax(-1)
        plain = [logprobs[len(prompt) - 1 + i, token].item() for i, token in enumerate(completion)]
        assert ours.logprobs == pytest.approx(plain, abs=1e-4)


PROBABILITIES = (0.5, 0.3, 0.15, 0.05)


def drawn(
    probabilities: Sequence[float], *, count: int, top_p: float = 1.0, temperature: float = 1.0
) -> Counter[int]:
    """How often each token comes when `count` rows draw once each, with the seeds 0, 1, 2, ..."""
    rows = [Row([0], Sampling(temperature=temperature, top_p=top_p, seed=seed)) for seed in range(count)]
    logits = torch.tensor(probabilities).log().expand(count, -1)
    return Counter(sample(logits, rows))


@pytest.mark.parametrize(
    ("top_p", "kept"),
    [(0.1, {0}), (0.49, {0}), (0.51, {0, 1}), (0.79, {0, 1}), (0.81, {0, 1, 2}), (0.96, {0, 1, 2, 3})],
)
def test_the_nucleus_is_the_smallest_set_that_holds_enough(top_p: float, kept: set[int]) -> None:
    assert set(drawn(PROBABILITIES, count=500, top_p=top_p)) == kept


def test_a_nucleus_wider_than_what_is_sorted_first_is_still_the_smallest_set() -> None:
    # Rising weights 1..2000 sum to 2,001,000. The largest k sum to k (4001 - k) / 2, which first reaches
    # 0.9 of that, 1,800,900, at k = 1368: the tokens from index 632 on.
    weights = [i / 2_001_000 for i in range(1, 2001)]
    assert sum(weights[633:]) < 0.9 < sum(weights[632:])
    tokens = drawn(weights, count=2000, top_p=0.9)
    assert 632 <= min(tokens) < 642
    assert max(tokens) > 1990


@pytest.mark.parametrize(
    ("top_p", "kept"), [(0.25, {1}), (0.45, {1}), (0.625, {1, 0}), (0.75, {1, 0, 2}), (0.875, {1, 0, 2, 3})]
)
def test_of_equally_likely_tokens_at_the_edge_the_lower_ids_are_in_the_nucleus(
    top_p: float, kept: set[int]
) -> None:
    # 1/2 of the mass is token 1; then 0, 2, 3 with 1/6 each: 0.5, 0.667, 0.833, 1 by ties in order of id.
    assert set(drawn((1 / 6, 1 / 2, 1 / 6, 1 / 6), count=300, top_p=top_p)) == kept


@pytest.mark.parametrize(("top_p", "kept"), [(0.25, 256), (0.5, 512), (0.75, 768)])
def test_ties_beyond_what_is_sorted_first_are_taken_by_id_too(top_p: float, kept: int) -> None:
    # 1024 equally likely tokens, each 2^-10: a share p of the mass is the first 1024 p of them.
    tokens = drawn([1 / 1024] * 1024, count=6000, top_p=top_p)
    assert max(tokens) == kept - 1
    assert len(tokens) > 0.9 * kept


@given(
    st.lists(st.sampled_from([1.0, 2.0, 4.0, 8.0]), min_size=1, max_size=30),
    st.sampled_from([0.1, 0.3, 0.55, 0.9]),
)
def test_the_nucleus_is_that_of_a_plain_loop(weights: list[float], top_p: float) -> None:
    order = sorted(range(len(weights)), key=lambda token: (-weights[token], token))
    total, mass, kept = sum(weights), 0.0, set[int]()
    for token in order:
        if mass < top_p * total:
            kept.add(token)
            mass += weights[token]
    assert set(drawn([weight / total for weight in weights], count=200, top_p=top_p)) <= kept


@pytest.mark.parametrize(
    ("options", "weights"),
    [
        ({}, PROBABILITIES),
        ({"temperature": 2.0}, [math.sqrt(p) for p in PROBABILITIES]),
        ({"temperature": 0.5}, [p * p for p in PROBABILITIES]),
        ({"top_p": 0.81}, [0.5, 0.3, 0.15, 0.0]),
    ],
)
def test_tokens_come_as_often_as_the_distribution_says(
    options: dict[str, float], weights: Sequence[float]
) -> None:
    count = 3000
    tokens = drawn(PROBABILITIES, count=count, **options)
    expected = [count * weight / sum(weights) for weight in weights]
    chi_square = sum((tokens[i] - e) ** 2 / e for i, e in enumerate(expected) if e)
    assert chi_square < 16.27, "the 0.1 % quantile with three degrees of freedom"
    assert all(tokens[i] == 0 for i, e in enumerate(expected) if not e)


def test_temperature_zero_takes_the_likeliest_whatever_the_neighbours_do() -> None:
    logits = torch.tensor([[0.0, 2.0, 1.0], [3.0, 0.0, 0.0], [0.0, 0.0, 9.0]])
    rows = [Row([0], Sampling(temperature=t, seed=0)) for t in (0.0, 1.0, 0.0)]
    tokens = sample(logits, rows)
    assert (tokens[0], tokens[2]) == (1, 2)


@given(
    st.lists(st.floats(-60, 60, width=32), min_size=1, max_size=40),
    st.floats(0.05, 4),
    st.floats(0.01, 1),
    st.integers(0, 2**62),
)
def test_a_drawn_token_always_has_probability(
    logits: list[float], temperature: float, top_p: float, seed: int
) -> None:
    row = Row([0], Sampling(temperature=temperature, top_p=top_p, seed=seed))
    [token] = sample(torch.tensor([logits]), [row])
    assert (torch.tensor(logits) / temperature).softmax(-1)[token] > 0
