"""Unselected transcripts: a seeded generator draws prompts, and every model's answer to each is shown whole.

Drawn before anything is graded and shown without leaving any out, so that a report can't show its best side.
"""

import random
from collections.abc import Sequence

from evaluation.model import Graded, ModelResult
from labeling.markdown import cell, fenced

SEED = 0
_COUNT = 10


def draw(results: Sequence[ModelResult], seed: int = SEED, *, count: int = _COUNT) -> tuple[str, ...]:
    """Ids of `count` prompts that the first and the last model answered both; all, where there are fewer."""
    last = {answer.id for answer in results[-1].answers}
    shared = sorted(answer.id for answer in results[0].answers if answer.id in last)
    return tuple(random.Random(seed).sample(shared, k=min(count, len(shared))))


def render(results: Sequence[ModelResult], ids: Sequence[str]) -> str:
    """The conversations of these ids with the first and the last model's answers, as Markdown."""
    shown = [results[0]] if len(results) == 1 else [results[0], results[-1]]
    by_model = [(result.name, {one.answer.id: one for one in result.graded}) for result in shown]
    return "\n\n".join(
        _transcript(number, [(name, answers[answer_id]) for name, answers in by_model])
        for number, answer_id in enumerate(ids, 1)
    )


def _transcript(number: int, answers: Sequence[tuple[str, Graded]]) -> str:
    first = answers[0][1].answer
    said = [f"{message.role}:\n\n{fenced(message.content)}" for message in first.conversation]
    replies = [f"{_heading(name, one)}\n\n{fenced(one.answer.response)}" for name, one in answers]
    return "\n\n".join(
        [f"### {number}. {first.suite}, {cell(first.category)} ({cell(first.id)})", *said, *replies]
    )


def _heading(name: str, one: Graded) -> str:
    cut = ", cut off by length" if one.answer.finish_reason == "length" else ""
    return f"**{cell(name)}** ({one.grade}{cut}):"
