"""Figures over pairs that share prompts."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from labeling.audit.clustered import Clusters, mean, positive, share


def test_the_error_is_between_prompts_not_between_pairs() -> None:
    # Prompts a and b are right twice each, c and d wrong. Leaving one prompt out moves the mean from
    # 1/2 to 1/3 or 2/3, so the jackknife variance is 3/4 * 4 * (1/6) ** 2 = 1/12.
    clusters = Clusters.of(list("aabbccdd"))
    figure = mean([1, 1, 1, 1, 0, 0, 0, 0], clusters)
    assert (figure.value, figure.n, figure.clusters, figure.df) == (0.5, 8, 4, 3.0)
    assert figure.error == pytest.approx(math.sqrt(1 / 12))


def test_a_share_has_as_many_effective_pairs_as_its_variance_says() -> None:
    # 0.25 / (1 / 12) = 3 independent pairs.
    figure = share([1, 1, 1, 1, 0, 0, 0, 0], Clusters.of(list("aabbccdd")))
    assert figure.effective == pytest.approx(3.0)


def test_pairs_of_one_prompt_never_tell_more_than_strangers() -> None:
    # Each prompt is right once and wrong once: no variance between prompts, but 0.25 / 7 between pairs.
    figure = share([1, 0] * 4, Clusters.of(list("aabbccdd")))
    assert figure.effective == pytest.approx(7.0)


def test_a_judge_without_a_mistake_has_an_interval_with_width() -> None:
    figure = share([1] * 20, Clusters.of([str(n) for n in range(20)]))
    assert figure.high == 1
    assert 0.8 < figure.low < 0.85


def test_one_prompt_says_next_to_nothing() -> None:
    figure = share([1, 1, 0, 1], Clusters.of(["a"] * 4))
    assert figure.high - figure.low > 0.9
    with pytest.raises(ValueError, match="two prompts"):
        mean([1, 1, 0, 1], Clusters.of(["a"] * 4))


def test_no_pairs_are_an_error() -> None:
    with pytest.raises(ValueError, match="at least one pair"):
        Clusters.of([])


def test_a_positive_mean_keeps_a_positive_interval() -> None:
    figure = positive([0.01, 0.02, 3.0], Clusters.of(list("abc")))
    assert 0 < figure.low < figure.value < figure.high


def test_resampled_prompts_are_as_many_as_there_are_and_the_same_for_a_seed() -> None:
    clusters = Clusters.of(list("aabbc"))
    counts = clusters.resamples(50, 7)
    assert counts.shape == (50, 3)
    assert (counts.sum(axis=1) == 3).all()
    assert (counts == clusters.resamples(50, 7)).all()


pairs = st.lists(
    st.tuples(st.sampled_from([0.0, 0.5, 1.0]), st.sampled_from("abcdef")), min_size=1, max_size=30
)


@given(pairs, st.randoms(use_true_random=False))
def test_a_share_minds_neither_order_nor_names_and_mirrors(rows: list[tuple[float, str]], random) -> None:
    scores, names = [row[0] for row in rows], [row[1] for row in rows]
    figure = share(scores, Clusters.of(names))
    assert 0 <= figure.low <= figure.value + 1e-9 <= figure.high + 2e-9 <= 1 + 2e-9
    shuffled = random.sample(rows, len(rows))
    again = share([row[0] for row in shuffled], Clusters.of([row[1] * 2 for row in shuffled]))
    assert (again.low, again.high) == pytest.approx((figure.low, figure.high))
    mirrored = share(1 - np.array(scores), Clusters.of(names))
    assert (mirrored.low, mirrored.high) == pytest.approx((1 - figure.high, 1 - figure.low))
