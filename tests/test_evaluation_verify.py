"""Answers held against their prompts' rows, and rows that no answer could be held against."""

import json
from collections.abc import Mapping
from dataclasses import replace

import pytest

from evaluation.answer import Question
from evaluation.model import SuiteKind
from evaluation.settings import SuiteSettings
from evaluation.verify import reference_problems, told, verified
from tests.evaluation_fixtures import PROMPT, answered
from training.verifiers.attempt import BadReferenceError


def question(
    name: str, row: Mapping[str, object], *, kind: SuiteKind = "verifiable", suite: str = "verifiable"
) -> Question:
    return Question(name, suite, kind, "sums", PROMPT, json.dumps(row))


def settings(**given: object) -> SuiteSettings:
    return SuiteSettings.model_validate({"path": "sums.jsonl", **given})


GSM8K = {"question": "How many?", "answer": "9 + 9 = <<9+9=18>>18\n#### 18"}


def test_gsm8k_is_checked_by_its_own_answers_without_any_setting() -> None:
    asked = [question("verifiable/a", GSM8K), question("verifiable/b", GSM8K)]
    answers = [
        answered("verifiable/a", "verifiable", "Nine and nine.\n#### 18.0", run="s0").answer,
        answered("verifiable/b", "verifiable", "It is 18.", run="s0").answer,
    ]
    found = verified("dpo", answers, asked, {"verifiable": settings()})
    assert [(one.id, one.value, one.model, one.run) for one in found] == [
        ("verifiable/a", 1, "dpo", "s0"),
        ("verifiable/b", 0, "dpo", "s0"),
    ]
    assert {(one.by, one.role) for one in found} == {("verifiable: number", "verifier")}


def test_each_suite_has_a_check_of_its_own() -> None:
    asked = [
        question("sums/a", {"answer": 5}, suite="sums"),
        question("towns/a", {"is": "Rome"}, suite="towns"),
    ]
    answers = [
        replace(answered("sums/a", "verifiable", "<answer>5</answer>").answer, suite="sums"),
        replace(answered("towns/a", "verifiable", "Rome").answer, suite="towns"),
    ]
    suites = {
        "sums": settings(verifier={"check": "number"}),
        "towns": settings(verifier={"check": "exact", "column": "is", "answer_in": "text", "name": "town"}),
    }
    found = verified("dpo", answers, asked, suites)
    assert [(one.by, one.value) for one in found] == [("sums: number", 1), ("towns: town", 1)]


def test_prompts_of_other_kinds_and_those_with_no_reference_have_no_score() -> None:
    asked = [
        question("verifiable/a", {"answer": None}),
        question("verifiable/b", {"answer": 3}, kind="harmless"),
    ]
    answers = [answered(one.id, "verifiable", "#### 3").answer for one in asked]
    assert verified("dpo", answers, asked, {"verifiable": settings()}) == []


def test_a_reference_that_says_nothing_is_told_with_the_prompt_and_what_to_do() -> None:
    asked = [question("verifiable/a", GSM8K), question("verifiable/b", {"answer": "Rome"})]
    [problem] = reference_problems(asked, settings())
    assert problem.startswith(
        "answers to 'b' cannot be checked: the reference 'Rome' does not hold one number"
    )
    assert (
        "next: say how they are (docs/training.md), as in `verifier: {check: number, column: NAME}`"
        in problem
    )
    assert list(reference_problems(asked, settings(verifier={"check": "exact"}))) == []
    with pytest.raises(BadReferenceError, match="does not hold one number"):
        verified(
            "dpo",
            [answered("verifiable/b", "verifiable", "#### 3").answer],
            asked,
            {"verifiable": settings()},
        )


def test_a_column_that_no_row_has_is_told() -> None:
    [problem] = reference_problems([question("verifiable/a", {"prompt": "2 + 3?"})], settings())
    assert "there is no column `answer`, which check: number reads" in problem


def test_a_verifier_without_anything_to_check_is_told() -> None:
    asked = [question("verifiable/a", {}, kind="harmless")]
    [problem] = reference_problems(asked, settings(verifier={"check": "exact"}))
    assert "none of its prompts is of kind `verifiable`" in problem
    assert list(reference_problems(asked, settings())) == []


def test_a_check_that_is_not_there_is_refused_with_those_that_are() -> None:
    with pytest.raises(ValueError, match=r"there is no verifier 'numbr'; there are: exact, .*'number'"):
        settings(verifier={"check": "numbr"})


def test_what_is_checked_against_what_is_said_in_words() -> None:
    assert told(settings()) == "checked by `number` against the column `answer`"
    one = settings(verifier={"check": "pattern", "reference": "^Yes"})
    assert told(one) == "checked by `pattern` against '^Yes'"
