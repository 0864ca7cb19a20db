"""The row program of an evaluation: one model's answer to one held-out prompt, as a user would ask it."""

from dataclasses import dataclass

from engine.protocol import Sampling
from evaluation.grader import graded
from evaluation.model import Answer, Graded, SuiteKind
from pipeline.context import RowContext
from prompts.message import Conversation
from prompts.render import Prompts

MODEL = "model"


@dataclass(frozen=True, slots=True)
class Question:
    """A held-out prompt. `id` is unique over all suites; `columns` is its row as a JSON object."""

    id: str
    suite: str
    kind: SuiteKind
    category: str
    conversation: Conversation
    columns: str = "{}"


@dataclass(frozen=True, slots=True)
class Answerer:
    """Asks the model nothing but the conversation, and grades what it says; call it as a row program.

    Grading asks nobody, so that a better grader reads old answers again for nothing.
    """

    prompts: Prompts
    sampling: Sampling
    run: str = ""

    async def __call__(self, question: Question, context: RowContext) -> Graded:
        prompt = self.prompts.render("respond", conversation=question.conversation)
        completion = await context.chat(MODEL, prompt, self.sampling)
        return graded(
            Answer(
                id=question.id,
                suite=question.suite,
                category=question.category,
                conversation=question.conversation,
                response=completion.text.strip(),
                finish_reason=completion.finish_reason,
                completion_tokens=completion.completion_tokens,
                kind=question.kind,
                run=self.run,
            )
        )
