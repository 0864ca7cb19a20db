"""Answers and results written down by hand, for the tests of `evaluation/`."""

from evaluation.grader import graded
from evaluation.model import Answer, CheckpointKind, FinishReason, Graded, ModelResult, SuiteKind
from prompts.message import Conversation, Message

PROMPT = (Message("user", "Do it."),)


def answered(
    name: str,
    kind: SuiteKind,
    response: str,
    *,
    category: str = "everyday",
    conversation: Conversation = PROMPT,
    finish: FinishReason = "stop",
    tokens: int = 9,
    run: str = "",
) -> Graded:
    """An answer to the prompt of this id, of the suite that is named as its kind, with its grade."""
    return graded(Answer(name, kind, category, conversation, response, finish, tokens, kind=kind, run=run))


def result(name: str, *answers: Graded, kind: CheckpointKind = "model") -> ModelResult:
    return ModelResult(name, answers, kind)
