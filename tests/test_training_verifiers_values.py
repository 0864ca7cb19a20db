"""Short answers: the same words, the same number, however it is written; nothing is guessed."""

from fractions import Fraction

import hypothesis.strategies as st
import pytest
from hypothesis import given

from training.verifiers.attempt import Attempt, BadReferenceError
from training.verifiers.settings import VerifierSettings
from training.verifiers.values import exact, number, number_in

NUMBER, EXACT = VerifierSettings(check="number"), VerifierSettings(check="exact")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("18", 18), ("-18", -18), ("+5", 5), ("1,234,567", 1234567), ("$1,200.50", Fraction("1200.5")),
        ("18 dollars", 18), ("18.", 18), ("about 70%", 70), (".5", Fraction(1, 2)), ("3/4", Fraction(3, 4)),
        ("1e3", 1000), ("2.5E-1", Fraction(1, 4)), ("\u22127", -7), ("-$5", -5), ("1{,}000", 1000),
        ("", None), ("none", None), ("18 or 19", None), ("1,2", None), ("3-5", None), ("1/0", None),
        ("16km", None), ("2^3", None), ("1.2.3", None), ("9" * 61, None), ("x2", None),
    ],
)  # fmt: skip
def test_a_text_holds_one_number_or_none(text: str, value: Fraction | int | None) -> None:
    assert number_in(text) == value


@given(st.fractions(max_denominator=1000))
def test_a_number_is_read_as_it_was_written(value: Fraction) -> None:
    assert number_in(str(value)) == value


@given(st.integers(-(10**12), 10**12))
def test_grouping_and_zeros_behind_the_point_change_nothing(value: int) -> None:
    assert number_in(f"{value:,}") == number_in(f"{value}.00") == value


def graded(text: str, reference: object, settings: VerifierSettings = NUMBER) -> float:
    check = number if settings.check == "number" else exact
    [score] = check([Attempt(text, reference)], settings)
    return score


def test_an_answer_counts_only_where_it_is_marked() -> None:
    assert graded("<answer>18</answer>", "18") == 1
    assert graded("18", "18") == 0
    assert graded("18", "18", VerifierSettings(check="number", answer_in="text")) == 1
    assert graded("<answer>18 or 19</answer>", "18") == 0
    assert graded("<answer>19</answer>", 18) == 0
    assert graded("#### 18.0", 18) == 1


def test_a_whole_solution_is_a_reference() -> None:
    assert graded("<answer>18</answer>", "16 - 3 = <<16-3=13>>13\n#### 18") == 1


@pytest.mark.parametrize("reference", ["", "twelve", "1 or 2", None, True, ["1"]])
def test_a_reference_that_is_no_number_is_an_error(reference: object) -> None:
    with pytest.raises(BadReferenceError):
        graded("<answer>1</answer>", reference)


def test_words_are_compared_but_for_the_space_between_them() -> None:
    assert graded("<answer>New  York </answer>", "New York", EXACT) == 1
    assert graded("<answer>new york</answer>", "New York", EXACT) == 0
    assert graded("New York", "New York", EXACT) == 0
