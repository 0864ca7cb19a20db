"""The records of an evaluation: what they refuse, and what follows from them."""

from dataclasses import replace

import pytest

from evaluation.model import Comparison, ModelResult, Winner
from tests.evaluation_fixtures import answered

JUDGED = Comparison(
    id="harmful/a", suite="harmful", kind="harmful", category="theft", model="dpo", against="base",
    judge="judge", winner="model", probability=0.7, forward=0.8, backward=0.6, words=10, words_against=20,
)  # fmt: skip


def test_a_prompt_answered_twice_in_one_run_is_refused() -> None:
    with pytest.raises(ValueError, match="answers 'a' twice"):
        ModelResult("base", (answered("a", "harmful", "No."), answered("a", "harmless", "Yes.")))


def test_pooled_runs_answer_the_same_prompt_once_each() -> None:
    pooled = ModelResult("base", tuple(answered("a", "harmful", "No.", run=run) for run in ("s0", "s1")))
    assert pooled.runs == ("s0", "s1")


def test_a_model_without_answers_is_refused() -> None:
    with pytest.raises(ValueError, match="'base' has no answers"):
        ModelResult("base", ())


def test_answers_are_found_by_their_suite_and_by_its_kind() -> None:
    found = ModelResult("base", (answered("a", "harmful", "No."), answered("b", "harmless", "Yes.")))
    assert [one.answer.id for one in found.of_kind("harmless")] == ["b"]
    assert [one.answer.id for one in found.suite("harmful")] == ["a"]


def test_orders_that_name_different_responses_are_not_consistent() -> None:
    assert JUDGED.consistent
    assert not replace(JUDGED, backward=0.4).consistent
    assert not replace(JUDGED, backward=None).consistent


@pytest.mark.parametrize(
    ("winner", "points"),
    [
        ("model", 1.0),
        ("against", 0.0),
        ("tie", 0.5),
        ("identical", 0.5),
        ("unparsed", None),
        ("refused", None),
    ],
)
def test_what_could_not_be_read_is_no_tie(winner: Winner, points: float | None) -> None:
    assert replace(JUDGED, winner=winner).points == points
