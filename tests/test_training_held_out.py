"""Which prompts are held out: a share, by the seed, whole prompts, whatever the order of the rows."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prompts.message import Conversation, Message
from training.held_out import held_out


def prompt(number: int) -> Conversation:
    return (Message("user", f"Question {number}?"),)


def chosen(count: int, share: float, seed: int = 0) -> set[int]:
    sides = held_out(map(prompt, range(count)), share, seed=seed)
    return {number for number in range(count) if sides.is_held_out(sides.number(prompt(number)))}


@given(st.integers(2, 200), st.floats(0.01, 0.99), st.integers(0, 5))
def test_the_share_is_held_out_and_never_all_or_nothing(count: int, share: float, seed: int) -> None:
    expected = min(max(round(share * count), 1), count - 1)
    assert len(chosen(count, share, seed)) == expected


def test_no_share_or_a_single_prompt_holds_nothing_out() -> None:
    assert chosen(10, 0.0) == set()
    assert chosen(1, 0.5) == set()
    assert chosen(0, 0.5) == set()


def test_the_seed_draws() -> None:
    assert chosen(40, 0.25) == chosen(40, 0.25)
    assert chosen(40, 0.25) != chosen(40, 0.25, seed=1)


@pytest.mark.parametrize("copies", [1, 3])
def test_pairs_of_one_prompt_are_on_one_side_in_any_order(copies: int) -> None:
    prompts = [prompt(number) for number in range(20) for _ in range(copies)]
    sides, turned = (held_out(each, 0.2, seed=0) for each in (prompts, prompts[::-1]))
    assert sides == turned
    assert sum(sides.is_held_out(sides.number(each)) for each in prompts) == 4 * copies
