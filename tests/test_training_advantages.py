"""What tokens are worth: by hand, in the limits that have a closed form, and whatever the padding."""

import hypothesis.strategies as st
import pytest
import torch
from hypothesis import given
from torch import Tensor

from training.advantages import (
    explained_variance,
    gae,
    masked_mean,
    masked_variance,
    token_rewards,
    whitened,
)

numbers = st.lists(st.floats(-3, 3, width=32), min_size=1, max_size=6)


def row(*values: float) -> Tensor:
    return torch.tensor([values], dtype=torch.float64)


def padded(x: Tensor, width: int, value: float) -> Tensor:
    return torch.cat([x, torch.full((len(x), width), value, dtype=x.dtype)], 1)


def test_gae_gives_the_numbers_of_a_calculation_by_hand() -> None:
    """Discount and lambda are a half: each surprise is 1, and a quarter of what follows is added."""
    found = gae(row(1, 2, 3), row(1, 2, 2), torch.ones(1, 3), gamma=0.5, lam=0.5)
    # 1 + 0.5 * 2 - 1 = 1; 2 + 0.5 * 2 - 2 = 1; 3 - 2 = 1
    torch.testing.assert_close(found.advantages, row(1 + 0.25 * 1.25, 1.25, 1))
    torch.testing.assert_close(found.returns, found.advantages + row(1, 2, 2))


@given(rewards=numbers, values=numbers)
def test_without_discount_an_advantage_is_what_is_still_to_come_less_the_value(
    rewards: list[float], values: list[float]
) -> None:
    length = min(len(rewards), len(values))
    got, expected = row(*rewards[:length]), row(*values[:length])
    found = gae(got, expected, torch.ones(1, length), gamma=1, lam=1)
    to_go = got.flip(1).cumsum(1).flip(1)
    torch.testing.assert_close(found.advantages, to_go - expected)
    torch.testing.assert_close(found.returns, to_go)


@given(rewards=numbers, values=numbers, gamma=st.floats(0, 1))
def test_with_lambda_0_an_advantage_is_one_steps_surprise(
    rewards: list[float], values: list[float], gamma: float
) -> None:
    length = min(len(rewards), len(values))
    got, expected = row(*rewards[:length]), row(*values[:length])
    found = gae(got, expected, torch.ones(1, length), gamma=gamma, lam=0)
    after = padded(expected, 1, 0)[:, 1:]
    torch.testing.assert_close(found.advantages, got + gamma * after - expected)


@given(
    rewards=numbers,
    values=numbers,
    width=st.integers(0, 5),
    rubbish=st.floats(-9, 9),
    gamma=st.floats(0, 1),
    lam=st.floats(0, 1),
)
def test_padding_changes_nothing(
    rewards: list[float], values: list[float], width: int, rubbish: float, gamma: float, lam: float
) -> None:
    length = min(len(rewards), len(values))
    got, expected = row(*rewards[:length]), row(*values[:length])
    mask = torch.ones(1, length)
    plain = gae(got, expected, mask, gamma=gamma, lam=lam)
    wide = gae(
        padded(got, width, rubbish),
        padded(expected, width, rubbish),
        padded(mask, width, 0),
        gamma=gamma,
        lam=lam,
    )
    torch.testing.assert_close(wide.advantages[:, :length], plain.advantages)
    assert not wide.advantages[:, length:].any()


def test_the_score_lies_on_the_last_token_that_was_sampled_and_the_kl_on_each() -> None:
    mask = torch.tensor([[1, 1, 1], [1, 0, 0]])
    kl = torch.tensor([[1.0, -2.0, 3.0], [4.0, 9.0, 9.0]])
    rewards = token_rewards(torch.tensor([10.0, 20.0]), kl, mask, beta=0.5)
    assert rewards.tolist() == [[-0.5, 1.0, 8.5], [18.0, 0.0, 0.0]]


def test_whitening_is_over_all_tokens_of_all_answers_and_no_padding() -> None:
    mask = torch.tensor([[1, 1, 0], [1, 0, 0]])
    x = torch.tensor([[1.0, 3.0, 99.0], [5.0, 99.0, 99.0]])
    assert masked_mean(x, mask).item() == 3
    assert masked_variance(x, mask).item() == 4
    torch.testing.assert_close(whitened(x, mask), torch.tensor([[-1.0, 0, 0], [1, 0, 0]]))


def test_whitening_is_the_same_however_large_and_shifted_rewards_are() -> None:
    x, mask = torch.randn(4, 6, generator=torch.Generator().manual_seed(0)).double(), torch.ones(4, 6)
    torch.testing.assert_close(whitened(7 * x - 3, mask), whitened(x, mask), atol=1e-6, rtol=1e-6)


@pytest.mark.parametrize(("values", "expected"), [((1, 2, 3), 1), ((2, 2, 2), 0), ((3, 2, 1), -3)])
def test_explained_variance_of_a_perfect_a_constant_and_a_contrary_critic(
    values: tuple[float, ...], expected: float
) -> None:
    found = explained_variance(row(*values), row(1, 2, 3), torch.ones(1, 3))
    assert found.item() == pytest.approx(expected)
