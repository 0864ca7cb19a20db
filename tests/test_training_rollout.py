"""Sampled answers as tensors: what is an answer's, whatever pads, and each token in a step once."""

import hypothesis.strategies as st
import torch
from hypothesis import given

from training.rollout import Learned, Passes, Sampled, padded

CPU = torch.device("cpu")
PAD = 0
rows = st.lists(st.lists(st.integers(0, 9), min_size=1, max_size=6), min_size=4, max_size=4)


def learned(sampled: Sampled) -> Learned:
    """Each token by a number of its own."""
    numbers = torch.arange(sampled.answered.numel()).reshape(sampled.answered.shape)
    return Learned(*(numbers.float() + place for place in (0, 0.1, 0.2, 0.3)))


def test_answers_begin_in_one_column_and_masks_follow_lengths_not_ids() -> None:
    """The end token pads too: one at an answer's end is its own."""
    sampled = padded([[5], [6, 7]], [[8, PAD], [9]], pad=PAD, device=CPU)
    assert sampled.ids.tolist() == [[0, 5, 8, 0], [6, 7, 9, 0]]
    assert sampled.mask.tolist() == [[0, 1, 1, 1], [1, 1, 1, 0]]
    assert sampled.answered.tolist() == [[1, 1], [1, 0]]
    assert sampled.lengths.tolist() == [2, 1]


@given(prompts=rows, answers=rows, places=st.permutations(range(4)))
def test_some_rows_are_padded_as_if_they_had_been_alone(
    prompts: list[list[int]], answers: list[list[int]], places: list[int]
) -> None:
    some = places[:2]
    taken = padded(prompts, answers, pad=PAD, device=CPU).rows(torch.tensor(some))
    alone = padded([prompts[i] for i in some], [answers[i] for i in some], pad=PAD, device=CPU)
    for name in ("ids", "mask", "answered"):
        assert getattr(taken, name).tolist() == getattr(alone, name).tolist()


@given(prompts=rows, answers=rows, size=st.sampled_from([1, 2, 4]))
def test_every_answer_is_in_each_pass_once_however_steps_are_cut(
    prompts: list[list[int]], answers: list[list[int]], size: int
) -> None:
    sampled = padded(prompts, answers, pad=PAD, device=CPU)
    generator = torch.Generator().manual_seed(0)
    batches = list(Passes(2, size, 4 // size).batches(sampled, learned(sampled), generator, warmup=False))
    assert len(batches) == 2 * 4 // size
    for one in (batches[: 4 // size], batches[4 // size :]):
        found = [
            tuple(ids[mask.bool()].tolist())
            for batch in one
            for ids, mask in zip(batch.sampled.ids, batch.sampled.mask, strict=True)
        ]
        assert sorted(found) == sorted(tuple(p + a) for p, a in zip(prompts, answers, strict=True))
        # Each token once in the step's mean: its share of all tokens, summed over the batches, is 1.
        assert sum((batch.sampled.answered.sum() / batch.tokens).item() for batch in one) == 1 or size < 4


def test_accumulated_batches_sum_to_the_loss_of_one() -> None:
    sampled = padded([[1]] * 4, [[1, 2, 3], [4], [5, 6], [7]], pad=PAD, device=CPU)
    means = []
    for size in (1, 2, 4):
        generator = torch.Generator().manual_seed(0)
        batches = Passes(1, size, 4 // size).batches(sampled, learned(sampled), generator, warmup=False)
        means.append(
            sum(
                ((batch.learned.returns * batch.sampled.answered).sum() / batch.tokens).item()
                for batch in batches
            )
        )
    torch.testing.assert_close(torch.tensor(means), torch.tensor([means[0]] * 3))
