"""Measures against numbers worked by hand."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluation.measures import (
    Share,
    cohen_kappa,
    distinct_share,
    entropy,
    ngrams,
    paired_change,
    repetition,
    text_statistics,
    words,
)

verdicts = st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=60)


def test_wilsons_interval_is_the_textbooks() -> None:
    half, none = Share(5, 10), Share(0, 10)
    assert (half.low, half.high) == (pytest.approx(0.2366, abs=1e-4), pytest.approx(0.7634, abs=1e-4))
    assert (none.value, none.low, none.high) == (0, 0, pytest.approx(0.2775, abs=1e-4))


def test_a_share_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="a share of 0 in 0"):
        Share(0, 0)


@given(st.integers(1, 500).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_the_interval_holds_the_share_and_stays_within_one(drawn: tuple[int, int]) -> None:
    share = Share(*drawn)
    assert 0 <= share.low <= share.value <= share.high <= 1


def test_a_paired_change_is_newcombes() -> None:
    # Both 2, only after 5, only before 1, neither 2: phi = (2*2 - 5*1) / 21 = -1/21, and from Wilson's
    # 7/10 (0.39678 to 0.89221) and 3/10 (0.10779 to 0.60322) the distances are 0.43891 and 0.27823.
    before = [True] * 2 + [False] * 5 + [True] + [False] * 2
    after = [True] * 2 + [True] * 5 + [False] + [False] * 2
    change = paired_change(before, after)
    assert change.value == pytest.approx(0.4)
    assert (change.low, change.high) == (pytest.approx(-0.0389, abs=1e-4), pytest.approx(0.6782, abs=1e-4))
    assert change.includes_zero


def test_no_change_at_all_still_has_an_interval() -> None:
    change = paired_change([False] * 40, [False] * 40)
    assert change.value == 0
    assert change.low < 0 < change.high


def test_a_clear_change_excludes_zero() -> None:
    assert not paired_change([False] * 40, [True] * 30 + [False] * 10).includes_zero


@given(verdicts)
def test_the_change_back_is_the_change_mirrored(pairs: list[tuple[bool, bool]]) -> None:
    before, after = [one for one, _ in pairs], [two for _, two in pairs]
    there, back = paired_change(before, after), paired_change(after, before)
    assert there.value == pytest.approx(-back.value)
    assert (there.low, there.high) == (pytest.approx(-back.high), pytest.approx(-back.low))
    assert -1 <= there.low <= there.value + 1e-12
    assert there.value - 1e-12 <= there.high <= 1


def test_verdicts_on_different_prompts_are_refused() -> None:
    with pytest.raises(ValueError, match="2 answers before and 1 after"):
        paired_change([True, False], [True])


def test_words_are_lower_case_without_marks() -> None:
    assert words("Don’t *stop*, it's 9 a.m.!") == ["don't", "stop", "it's", "9", "a", "m"]


def test_repetition_counts_four_word_runs_said_before() -> None:
    # Runs: a b c d, b c d a, c d a b, d a b c, a b c d: one of five was said before.
    assert repetition(["a", "b", "c", "d", "a", "b", "c", "d"]) == pytest.approx(1 / 5)
    assert repetition(["a", "b", "c"]) == 0


def test_distinct_share_is_distinct_over_all() -> None:
    assert distinct_share(ngrams(["a", "b", "a", "b"], 2)) == pytest.approx(2 / 3)


def test_entropy_is_in_bits() -> None:
    assert entropy([2, 2]) == 1
    assert entropy([5]) == 0
    assert entropy([2, 1, 1]) == 1.5


def test_text_statistics_of_four_responses_by_hand() -> None:
    responses = ["I can't do it.", "I can't do that", "Yes you may", ""]
    found = text_statistics(responses, [5, 4, 3, 0], cut_off=[False, True, False, False])
    assert (found.n, found.mean_tokens, found.mean_words) == (4, 3, 11 / 4)
    assert (found.cut_off, found.empty, found.repetition) == (0.25, 0.25, 0)
    assert found.distinct_2 == pytest.approx(6 / 8)
    assert (found.top_opening, found.top_opening_share, found.opening_entropy) == ("i can't do", 0.5, 1.5)


def test_text_statistics_of_nothing_are_refused() -> None:
    with pytest.raises(ValueError, match="at least one response"):
        text_statistics([], [], cut_off=[])


def test_kappa_by_hand() -> None:
    # Observed 3/4, by chance 1/8 + 3/8.
    assert cohen_kappa([True, True, False, False], [True, False, False, False]) == pytest.approx(0.5)


def test_kappa_of_raters_who_never_differ_is_one() -> None:
    assert cohen_kappa([True, True], [True, True]) == 1


@given(verdicts)
def test_kappa_is_symmetric_and_at_most_one(pairs: list[tuple[bool, bool]]) -> None:
    first, second = [one for one, _ in pairs], [two for _, two in pairs]
    assert cohen_kappa(first, second) == pytest.approx(cohen_kappa(second, first))
    assert cohen_kappa(first, second) <= 1
    assert not math.isnan(cohen_kappa(first, second))
