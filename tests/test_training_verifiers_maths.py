"""Mathematical answers: equal by algebra; what takes for ever or breaks the library is wrong, and ends."""

import pytest

from training.verifiers.attempt import Attempt, BadReferenceError
from training.verifiers.maths import maths
from training.verifiers.settings import VerifierSettings

pytest.importorskip("math_verify")


def test_what_is_equal_by_algebra_is_right_however_it_is_written() -> None:
    cases = {
        (r"\frac{1}{2}", "0.5"): 1, (r"\frac{1}{2}", "1/2"): 1, ("1/2", r"\dfrac{2}{4}"): 1,
        (r"2\sqrt{3}", r"\sqrt{12}"): 1, ("(x+1)^2", "x^2+2x+1"): 1, ("12", "12"): 1, ("$12$", "12.0"): 1,
        ("12", "13"): 0, (r"\frac{1}{2}", "0.49"): 0, ("x^2", "x^3"): 0, ("12", "twelve"): 0,
        ("12", "}{"): 0,
    }  # fmt: skip
    attempts = [Attempt(f"so \\boxed{{{answer}}}", reference) for reference, answer in cases]
    told = maths([*attempts, Attempt("12", "12")], VerifierSettings(check="maths", timeout_s=20))
    assert dict(zip(cases, told, strict=False)) == cases
    assert told[-1] == 0  # not marked


def test_an_answer_that_never_ends_is_wrong_and_those_after_it_are_told() -> None:
    texts = ["<answer>1/4</answer>", "<answer>9^{9^{9^{9}}}</answer>", "<answer>0.25</answer>"]
    settings = VerifierSettings(check="maths", timeout_s=3)
    assert maths([Attempt(text, r"\frac{1}{4}") for text in texts], settings) == [1, 0, 1]


def test_a_reference_must_be_text() -> None:
    with pytest.raises(BadReferenceError, match="expected text or a number"):
        maths([Attempt("", ["1"])], VerifierSettings(check="maths"))
