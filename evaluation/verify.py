"""Answers that a program can check: a model's answers and their prompts come in, `Score`s of 0 and 1 go out.

The checks are those that training may reward by (`training.verifiers`), so that what is trained on and what
is measured are one thing. No model is asked. A suite's settings say how its answers are checked.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import cast

from evaluation.answer import Question
from evaluation.model import Answer, Score
from evaluation.rate import Rated, score
from evaluation.settings import SuiteSettings
from training.verifiers.attempt import Attempt, BadReferenceError
from training.verifiers.registry import VERIFIERS, check_reference, reference_of


def verified(
    model: str, answers: Sequence[Answer], questions: Sequence[Question], suites: Mapping[str, SuiteSettings]
) -> list[Score]:
    """1 for each answer that is right and 0 for each that is wrong, suite by suite.

    Prompts of other kinds have no score, and neither have those whose reference is null.

    Raises:
        BadReferenceError: a row has no reference, or one that no answer could be held against.
    """
    return [
        each
        for name, settings in suites.items()
        for each in _of_suite(
            model,
            [answer for answer in answers if answer.suite == name],
            [question for question in questions if question.suite == name],
            settings,
        )
    ]


def reference_problems(questions: Sequence[Question], settings: SuiteSettings) -> Iterator[str]:
    """Why answers to one suite's questions could not be checked, told of the first such question."""
    asked = [question for question in questions if question.kind == "verifiable"]
    if settings.verifier is not None and not asked:
        yield (
            "`verifier` has nothing to check: none of its prompts is of kind `verifiable`\n"
            "  next: add `kind: verifiable`, or leave `verifier` out"
        )
    for question in asked:
        try:
            check_reference(_columns(question), settings.check)
        except BadReferenceError as error:
            yield (
                f"answers to {question.id.partition('/')[2]!r} cannot be checked: {error}\n"
                f"  next: say how they are (docs/training.md), as in `verifier: {{check: "
                f"{settings.check.check}, column: NAME}}`,\n        or choose another `kind`"
            )
            return


def told(settings: SuiteSettings) -> str:
    """How a suite's answers are checked, in words for a report."""
    check = settings.check
    against = f"the column `{check.reads}`" if check.reads else f"{check.reference!r}"
    return f"checked by `{check.check}` against {against}"


def _of_suite(
    model: str, answers: Sequence[Answer], questions: Sequence[Question], settings: SuiteSettings
) -> Iterator[Score]:
    columns = {question.id: _columns(question) for question in questions if question.kind == "verifiable"}
    checked = [
        (answer, reference)
        for answer in answers
        if answer.id in columns
        and (reference := reference_of(columns[answer.id], settings.check)) is not None
    ]
    attempts = [Attempt(answer.response, reference) for answer, reference in checked]
    told = VERIFIERS[settings.check.check](attempts, settings.check) if attempts else ()
    for (answer, _), value in zip(checked, told, strict=True):
        yield score(Rated(model, answer), value, by=_called(answer.suite, settings), role="verifier")


def _called(suite: str, settings: SuiteSettings) -> str:
    """What a suite's check is called beside rewards, whose names have no such mark."""
    return f"{suite}: {settings.check.name or settings.check.check}"


def _columns(question: Question) -> Mapping[str, object]:
    return cast("dict[str, object]", json.loads(question.columns))
