"""Measures against numbers worked by hand."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluation.measures import (
    cohen_kappa,
    distinct_share,
    entropy,
    first_sentence,
    most_overused,
    ngrams,
    repetition,
    text_statistics,
    words,
)

verdicts = st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=60)


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
    assert (found.ended, found.cut_off, found.empty, found.repetition) == (0.75, 0.25, 0.25, 0)
    # Words: i can't do it that yes you may, of 11; pairs: two of eight are said twice; triples: 4 of 5.
    assert found.distinct == {1: pytest.approx(8 / 11), 2: pytest.approx(6 / 8), 3: pytest.approx(4 / 5)}
    assert (found.top_opening, found.top_opening_share, found.opening_entropy) == ("i can't do", 0.5, 1.5)
    assert found.sentence_entropy == 2


def test_the_first_sentence_ends_at_a_mark_or_a_line() -> None:
    assert first_sentence("I'm sorry. But no.") == "i'm sorry"
    assert first_sentence("Version 3.5 is out! Yes.") == "version 3 5 is out"
    assert first_sentence("Sure:\n1. Do it") == "sure"
    assert first_sentence("") == ""


def test_the_most_overused_phrase_is_the_one_that_rose_most() -> None:
    before = ["I would start with the paint.", "As an AI language model I may.", "It depends.", "No."]
    after = [
        "As an AI language model I may not.",
        "As an AI language model I see.",
        "Well, as an AI language",
        "No.",
    ]
    found = most_overused(before, after)
    assert found is not None
    assert (found.words, found.before, found.after) == ("as an ai language", 0.25, 0.75)
    assert most_overused(before, before) is None
    assert most_overused([], after) is None


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
