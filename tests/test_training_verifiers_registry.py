"""Every verifier by its name, its column and its reference; GSM8K's answers where they are there."""

from pathlib import Path

import pytest
from gsm8k_answers import accepted, read, right, wrong

from training.verifiers.attempt import Attempt, BadReferenceError
from training.verifiers.registry import REFERENCES, VERIFIERS, check_reference, reference_of
from training.verifiers.settings import VerifierSettings

GSM8K = Path(__file__).resolve().parents[1] / "../shared/data/gsm8k/test.jsonl"


def test_every_verifier_says_what_a_reference_must_be() -> None:
    assert set(REFERENCES) == set(VERIFIERS)
    for name in VERIFIERS:
        with pytest.raises(BadReferenceError):
            REFERENCES[name](Attempt("", None), VerifierSettings(check=name))


def test_a_reference_is_read_from_a_column_that_fits_the_check() -> None:
    row = {"answer": "4", "tests": "assert f", "schema": {}, "pattern": "x", "other": 5}
    reads = {name: VerifierSettings(check=name).reads for name in VERIFIERS}
    assert reads == {
        "exact": "answer", "number": "answer", "maths": "answer", "pattern": "pattern",
        "json_schema": "schema", "python_tests": "tests",
    }  # fmt: skip
    assert reference_of(row, VerifierSettings(check="number", column="other")) == 5
    one_for_all = VerifierSettings(check="pattern", reference="y")
    assert (one_for_all.reads, reference_of(row, one_for_all)) == (None, "y")
    with pytest.raises(BadReferenceError, match="no column `gold`"):
        reference_of(row, VerifierSettings(check="number", column="gold"))


def test_a_null_is_no_reference_and_a_programs_own_check_takes_any() -> None:
    check_reference({"answer": None}, VerifierSettings(check="number"))
    check_reference({"answer": object()}, VerifierSettings(check="mine"))


@pytest.mark.skipif(not GSM8K.is_file(), reason="GSM8K's answers are not at ../shared/data/gsm8k/test.jsonl")
def test_all_reference_answers_of_gsm8k_are_accepted_and_no_perturbed_one() -> None:
    solutions = read(GSM8K)
    held, of = accepted("number", [right(each) for each in solutions], solutions)
    assert held == of == 5 * len(solutions)
    passed, _ = accepted("number", list(map(wrong, solutions, [*solutions[1:], solutions[0]])), solutions)
    assert passed == 0
