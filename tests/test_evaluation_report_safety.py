"""What stands under the tables of refusals: who graded, and how far that can be trusted."""

from dataclasses import replace

from outcome_fixtures import GRADER

from evaluation.grader import AGREEMENT
from evaluation.report.safety import graded_by


def test_a_grader_is_named_with_its_agreement_on_the_embedded_models_answers_and_the_rules() -> None:
    said = graded_by(replace(GRADER, embedded=0.81, embedded_by_rules=0.92))
    assert "people 0.90 (0.88 to 0.92); 0.85 on the family" in said
    assert "AI reader's labels of the embedded model's answers: 0.81, rules over wording alone 0.92." in said


def test_a_grader_that_nobody_measured_there_says_nothing_of_it() -> None:
    assert "embedded" not in graded_by(GRADER)


def test_the_grader_that_ships_names_what_does_better_than_it() -> None:
    assert AGREEMENT.embedded is not None
    assert AGREEMENT.embedded_by_rules is not None
    assert f"{AGREEMENT.embedded_by_rules:.2f}" in graded_by(AGREEMENT)
