"""Unselected transcripts: a seeded generator draws prompts, and every model's answer to each is shown whole.

Drawn before anything is looked at and shown without leaving any out, so that a report can't show its best
side. Markdown has the answers one below the other, the page side by side.
"""

import html
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from evaluation.model import Graded, ModelResult, Score
from labeling.markdown import cell, fenced, visible

SEED = 0
_COUNT = 10


def draw(results: Sequence[ModelResult], seed: int = SEED, *, count: int = _COUNT) -> tuple[str, ...]:
    """Ids of `count` prompts that every model answered; all, where there are fewer."""
    every = set.intersection(*({answer.id for answer in result.answers} for result in results))
    return tuple(random.Random(seed).sample(sorted(every), k=min(count, len(every))))


def markdown(results: Sequence[ModelResult], ids: Sequence[str], scores: Sequence[Score] = ()) -> str:
    """The conversations of these ids with every model's answer, as Markdown; `scores` tell what is right."""
    return "\n\n".join(_transcript(number, answers) for number, answers in _drawn(results, ids, scores))


def page(results: Sequence[ModelResult], ids: Sequence[str], scores: Sequence[Score] = ()) -> str:
    """The same as HTML, a model a column; texts are escaped."""
    return "\n".join(_columns(number, answers) for number, answers in _drawn(results, ids, scores))


@dataclass(frozen=True, slots=True)
class _Shown:
    """A model's name, its answer to one prompt (of several runs the first), and whether it is right."""

    name: str
    graded: Graded
    right: bool | None

    @property
    def about(self) -> str:
        verdict = self.graded.grade if self.right is None else ("right" if self.right else "wrong")
        return f"{verdict}{', cut off by length' if self.graded.answer.finish_reason == 'length' else ''}"


def _drawn(
    results: Sequence[ModelResult], ids: Sequence[str], scores: Sequence[Score]
) -> list[tuple[int, list[_Shown]]]:
    first = [(result.name, {one.answer.id: one for one in reversed(result.graded)}) for result in results]
    right = {(one.model, one.run, one.id): one.value > 0 for one in scores if one.role == "verifier"}
    return [
        (number, [_shown(name, graded[answer_id], right) for name, graded in first])
        for number, answer_id in enumerate(ids, 1)
    ]


def _shown(name: str, one: Graded, right: Mapping[tuple[str, str, str], bool]) -> _Shown:
    return _Shown(name, one, right.get((name, one.answer.run, one.answer.id)))


def _transcript(number: int, answers: Sequence[_Shown]) -> str:
    first = answers[0].graded.answer
    said = [f"{message.role}:\n\n{fenced(message.content)}" for message in first.conversation]
    replies = [
        f"**{cell(one.name)}** ({one.about}):\n\n{fenced(one.graded.answer.response)}" for one in answers
    ]
    return "\n\n".join([f"### {number}. {cell(_title(answers))}", *said, *replies])


def _columns(number: int, answers: Sequence[_Shown]) -> str:
    said = "".join(
        f"<p><b>{_safe(message.role)}</b></p><pre>{_safe(message.content)}</pre>"
        for message in answers[0].graded.answer.conversation
    )
    replies = "".join(
        f"<div><p><b>{_safe(one.name)}</b> ({_safe(one.about)})</p>"
        f"<pre>{_safe(one.graded.answer.response)}</pre></div>"
        for one in answers
    )
    return f'<h3>{number}. {_safe(_title(answers))}</h3>\n{said}\n<div class="side">{replies}</div>'


def _title(answers: Sequence[_Shown]) -> str:
    first = answers[0].graded.answer
    return (
        f"{first.suite}, {first.category} ({first.id})" if first.category else f"{first.suite} ({first.id})"
    )


def _safe(text: str) -> str:
    return html.escape(visible(text))
