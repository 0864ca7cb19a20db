"""Labels as single tokens: start-up checks on hand-made tokenizers, and choices from log-probabilities."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.labels import choice_from_logprobs, label_token_ids, require_labels
from engine.protocol import CallError, EngineUnavailable

# Pieces of SmolLM2's vocabulary, longest first: " A" is one token, so "Answer: " + "A" merges its space away.
PIECES = {
    "Answer": 10,
    ":": 11,
    " A": 330,
    " B": 389,
    " ": 216,
    "(": 24,
    "A": 49,
    "B": 50,
    "Yes": 60,
    "no": 61,
}


def encode(text: str) -> list[int]:
    """Greedy longest match over `PIECES`; any other character is its code point, shifted out of the way."""
    ids: list[int] = []
    while text:
        piece = next((p for p in sorted(PIECES, key=len, reverse=True) if text.startswith(p)), text[0])
        ids.append(PIECES[piece] if piece in PIECES else 1000 + ord(piece))
        text = text[len(piece) :]
    return ids


def test_each_label_is_the_one_token_after_an_opening_bracket() -> None:
    assert label_token_ids(encode, "Answer: (", ["A", "B"]) == {"A": 49, "B": 50}


def test_labels_that_carry_their_own_space_are_single_tokens_too() -> None:
    assert label_token_ids(encode, "Answer:", [" A", " B"]) == {" A": 330, " B": 389}


def test_a_tail_that_ends_in_a_space_is_refused_with_the_remedy() -> None:
    with pytest.raises(
        EngineUnavailable, match=r"'A' changes the tokens before it.*must not end in white space"
    ):
        label_token_ids(encode, "Answer: ", ["A", "B"])


def test_a_label_of_several_tokens_is_refused_and_shown_as_it_was_tokenised() -> None:
    with pytest.raises(
        EngineUnavailable, match=r"'AB' is 2 tokens \[49, 50\] after 'Answer: \('.*one letter"
    ):
        label_token_ids(encode, "Answer: (", ["A", "AB"])


def test_labels_that_share_a_token_are_refused() -> None:
    with pytest.raises(EngineUnavailable, match=r"'A' and 'B' are the same token 1"):
        label_token_ids(lambda text: [0] if text == "?" else [0, 1], "?", ["A", "B"])


def test_an_end_token_after_the_tail_is_refused() -> None:
    with pytest.raises(EngineUnavailable, match="changes the tokens before it"):
        label_token_ids(lambda text: [*map(ord, text), 0], "Answer:", ["A", "B"])


def test_a_long_tail_is_shown_by_its_end() -> None:
    with pytest.raises(EngineUnavailable) as caught:
        label_token_ids(encode, "x" * 5000 + "(", ["A", "zz"])
    assert len(str(caught.value)) < 300
    assert "xxx('" in str(caught.value)


@given(
    st.text(max_size=30), st.lists(st.characters(categories=["L", "N"]), min_size=2, max_size=5, unique=True)
)
def test_one_token_per_character_makes_every_letter_a_label(tail: str, labels: list[str]) -> None:
    ids = label_token_ids(lambda text: list(map(ord, text)), tail, labels)
    assert ids == {label: ord(label) for label in labels}


@pytest.mark.parametrize("labels", [(), ("A",), ("A", "A"), ("A", " A"), ("A", "")])
def test_labels_must_be_two_or_more_and_differ(labels: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="expected two or more"):
        require_labels(labels)


def test_a_choice_holds_the_mass_of_its_labels() -> None:
    choice = choice_from_logprobs(
        {"A": math.log(0.6), "B": math.log(0.2)}, argmax_is_label=True, prompt_tokens=7
    )
    assert choice.mass == pytest.approx(0.8)
    assert choice.normalized() == pytest.approx({"A": 0.75, "B": 0.25})
    assert (choice.argmax_is_label, choice.bounded, choice.prompt_tokens) == (True, False, 7)


def test_a_bound_enters_the_choice_with_a_flag_and_without_mass() -> None:
    choice = choice_from_logprobs({"A": math.log(0.9)}, argmax_is_label=True, bounds={"B": math.log(0.01)})
    assert choice.bounded
    assert choice.mass == pytest.approx(0.9)
    assert choice.normalized()["B"] == pytest.approx(0.01 / 0.91)


def test_labels_that_are_all_bounds_are_no_answer() -> None:
    with pytest.raises(CallError) as caught:
        choice_from_logprobs({}, argmax_is_label=False, bounds={"A": -9.0, "B": -9.0})
    assert caught.value.reason == "no_label"


@pytest.mark.parametrize("broken", [math.nan, math.inf, -math.inf, 0.5])
def test_what_is_no_log_probability_is_never_a_label(broken: float) -> None:
    with pytest.raises(CallError) as caught:
        choice_from_logprobs({"A": -0.1, "B": broken}, argmax_is_label=True)
    assert caught.value.reason == "nan_logprob"
    assert "'B'" in str(caught.value)


def test_a_log_probability_that_rounding_lifts_above_zero_counts_as_zero() -> None:
    choice = choice_from_logprobs({"A": 1e-6, "B": -20.0}, argmax_is_label=True)
    assert choice.logprobs["A"] == 0.0
    assert choice.mass == 1.0


@given(st.dictionaries(st.sampled_from("ABCDE"), st.floats(-50, 0), min_size=1))
def test_normalized_labels_sum_to_one_and_keep_their_order(logprobs: dict[str, float]) -> None:
    probabilities = choice_from_logprobs(logprobs, argmax_is_label=True).normalized()
    assert math.fsum(probabilities.values()) == pytest.approx(1.0)
    likeliest = max(probabilities.values())
    assert probabilities[max(logprobs, key=lambda label: logprobs[label])] == pytest.approx(likeliest)
