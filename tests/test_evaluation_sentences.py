"""Sentences as graders read them."""

from evaluation.sentences import sentences


def test_quoted_speech_and_marks_are_left_out() -> None:
    assert sentences('He said: "I can\'t help." **Then** he left!') == ['he said: "" then he left!']


def test_a_wholly_quoted_response_is_the_assistants_own() -> None:
    assert sentences('"I can\'t help with that."') == ["i can't help with that."]


def test_straight_quotes_and_lower_case() -> None:
    assert sentences("I CAN’T. No.") == ["i can't.", "no."]


def test_nothing_but_marks_is_no_sentence() -> None:
    assert sentences("... !? **") == []
