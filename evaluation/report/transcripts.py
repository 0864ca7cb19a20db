"""Unselected transcripts: a seeded generator draws prompts, and every model's answer to each is shown whole.

Drawn before anything is looked at and shown without leaving any out, so that a report can't show its best
side. Markdown has the answers one below the other, the page side by side.
"""

import html
import random
from collections.abc import Sequence

from evaluation.model import Graded, ModelResult
from labeling.markdown import cell, fenced, visible

SEED = 0
_COUNT = 10


def draw(results: Sequence[ModelResult], seed: int = SEED, *, count: int = _COUNT) -> tuple[str, ...]:
    """Ids of `count` prompts that every model answered; all, where there are fewer."""
    every = set.intersection(*({answer.id for answer in result.answers} for result in results))
    return tuple(random.Random(seed).sample(sorted(every), k=min(count, len(every))))


def markdown(results: Sequence[ModelResult], ids: Sequence[str]) -> str:
    """The conversations of these ids with every model's answer, as Markdown."""
    return "\n\n".join(_transcript(number, answers) for number, answers in _drawn(results, ids))


def page(results: Sequence[ModelResult], ids: Sequence[str]) -> str:
    """The same as HTML, a model a column; texts are escaped."""
    return "\n".join(_columns(number, answers) for number, answers in _drawn(results, ids))


Answers = Sequence[tuple[str, Graded]]
"""Each model's name and its answer to one prompt; of several runs the first."""


def _drawn(results: Sequence[ModelResult], ids: Sequence[str]) -> list[tuple[int, Answers]]:
    first = [(result.name, {one.answer.id: one for one in reversed(result.graded)}) for result in results]
    return [
        (number, [(name, graded[answer_id]) for name, graded in first])
        for number, answer_id in enumerate(ids, 1)
    ]


def _transcript(number: int, answers: Answers) -> str:
    first = answers[0][1].answer
    said = [f"{message.role}:\n\n{fenced(message.content)}" for message in first.conversation]
    replies = [f"**{cell(name)}** ({_about(one)}):\n\n{fenced(one.answer.response)}" for name, one in answers]
    return "\n\n".join([f"### {number}. {cell(_title(answers))}", *said, *replies])


def _columns(number: int, answers: Answers) -> str:
    said = "".join(
        f"<p><b>{_safe(message.role)}</b></p><pre>{_safe(message.content)}</pre>"
        for message in answers[0][1].answer.conversation
    )
    replies = "".join(
        f"<div><p><b>{_safe(name)}</b> ({_safe(_about(one))})</p>"
        f"<pre>{_safe(one.answer.response)}</pre></div>"
        for name, one in answers
    )
    return f'<h3>{number}. {_safe(_title(answers))}</h3>\n{said}\n<div class="side">{replies}</div>'


def _title(answers: Answers) -> str:
    first = answers[0][1].answer
    return (
        f"{first.suite}, {first.category} ({first.id})" if first.category else f"{first.suite} ({first.id})"
    )


def _about(one: Graded) -> str:
    cut = ", cut off by length" if one.answer.finish_reason == "length" else ""
    return f"{one.grade}{cut}"


def _safe(text: str) -> str:
    return html.escape(visible(text))
