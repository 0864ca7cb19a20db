"""The row program of a reward model or a verifier: one answer in, its `Score` out.

A reward model is asked as it was trained: the conversation as it is, the answer, and whether the answer came
to its end. Its values are in its own unit; only differences on the same prompts say anything.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from evaluation.model import Answer, Score, ScoreRole
from pipeline.context import RowContext
from prompts.message import Prompt

RATER = "rater"


@dataclass(frozen=True, slots=True)
class Rated:
    """An answer of a model that is to be rated."""

    model: str
    answer: Answer

    @property
    def id(self) -> str:
        return f"{self.model}/{self.answer.id}"


@dataclass(frozen=True, slots=True)
class Rater:
    """Asks the role `rater`; call it as a row program. Raises `CallError` where it cannot rate an answer."""

    by: str
    role: ScoreRole

    async def __call__(self, rated: Rated, context: RowContext) -> Score:
        answer = rated.answer
        asked = Prompt(template="", template_hash="", messages=answer.conversation)
        finished = answer.finish_reason == "stop"
        told = await context.reward(RATER, asked, answer.response, finished=finished)
        return score(rated, told.value, by=self.by, role=self.role)


def score(rated: Rated, value: float, *, by: str, role: ScoreRole) -> Score:
    answer = rated.answer
    return Score(
        answer.id, answer.suite, answer.kind, answer.category, rated.model, by, role, value, run=answer.run
    )


def to_rate(model: str, answers: Sequence[Answer]) -> list[Rated]:
    """The answers with words in them: a reward model says nothing of none."""
    return [Rated(model, answer) for answer in answers if answer.response.strip()]
