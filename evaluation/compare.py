"""The row program of a win rate: two models' answers to one prompt in, the judge's preference out.

The judge is asked exactly as it labels (`labeling.judge`): in both orders, under principles that the prompt's
own generator draws, so that all models are compared under the same ones, and as its audit asked it.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Literal, Protocol, TypeVar

from critique.model import Text
from evaluation.answer import Question
from evaluation.measures import words
from evaluation.model import Answer, CheckpointKind, Comparison, SuiteKind, Winner
from labeling.combine import sigmoid
from labeling.judge import Judge
from labeling.model import Comparison as Shown
from labeling.model import Judgment, Verdict
from pipeline.context import RowContext, derived_seed

_WINNERS: Mapping[Verdict, Winner] = {
    "first": "model",
    "second": "against",
    "tie": "tie",
    "identical": "identical",
    "unparsed": "unparsed",
    "refused": "refused",
}


@dataclass(frozen=True, slots=True)
class Pairing:
    """Two models' answers to one prompt of one run."""

    model: str
    against: str
    answer: Answer
    other: Answer

    @property
    def id(self) -> str:
        """The prompt's: principles are drawn by it, the same ones for every pair of models."""
        return self.answer.id


@dataclass(frozen=True, slots=True)
class Comparer:
    """Puts a pairing to the judge; call it as a row program. Raises `CallError` where it cannot answer."""

    judge: Judge
    name: str

    async def __call__(self, pairing: Pairing, context: RowContext) -> Comparison:
        answer, other = pairing.answer, pairing.other
        shown = Shown(
            id=pairing.id,
            source="samples",
            conversation=answer.conversation,
            first=_text(answer),
            second=_text(other),
            category=answer.category,
        )
        judgment = await self.judge.judge(shown, context)
        return _comparison(pairing, judgment, judge=self.name, keys=tuple(context.keys))


def pairings(
    model: str, answers: Sequence[Answer], against: str, *, others: Sequence[Answer]
) -> Iterator[Pairing]:
    """The prompts that both answered, in the order of the first; the answers are of one run."""
    by_prompt = {other.id: other for other in others}
    for answer in answers:
        if answer.id in by_prompt:
            yield Pairing(model, against, answer, by_prompt[answer.id])


class Model(Protocol):
    """A model of an evaluation, as far as it matters whom it is compared with."""

    @property
    def kind(self) -> CheckpointKind: ...


AModel = TypeVar("AModel", bound=Model)


def matches(models: Sequence[AModel], pairs: Literal["base", "all"]) -> list[tuple[AModel, AModel]]:
    """(later, earlier) of each pair to compare; controls are held against the base alone, the first one."""
    if pairs == "base":
        return [(model, models[0]) for model in models[1:]]
    return [
        (later, earlier)
        for earlier, later in combinations(models, 2)
        if "control" not in (later.kind, earlier.kind) or earlier is models[0]
    ]


def drawn(
    prompts: Sequence[Answer] | Sequence[Question], kinds: Sequence[SuiteKind], *, limit: int | None
) -> frozenset[str]:
    """The ids of the prompts to compare on: `limit` of each kind, the same for all models and seeds."""
    chosen: set[str] = set()
    for kind in kinds:
        ids = sorted({prompt.id for prompt in prompts if prompt.kind == kind})
        ids.sort(key=lambda name: derived_seed("compare", name))
        chosen.update(ids[:limit])
    return frozenset(chosen)


def _text(answer: Answer) -> Text:
    return Text(answer.response, answer.finish_reason == "length", answer.completion_tokens)


def _comparison(pairing: Pairing, judgment: Judgment, *, judge: str, keys: tuple[str, ...]) -> Comparison:
    answer = pairing.answer
    forward, backward = judgment.forward_logit, judgment.backward_logit
    return Comparison(
        id=answer.id,
        suite=answer.suite,
        kind=answer.kind,
        category=answer.category,
        model=pairing.model,
        against=pairing.against,
        judge=judge,
        winner=_WINNERS[judgment.verdict],
        probability=judgment.probability,
        forward=None if forward is None else sigmoid(forward),
        backward=None if backward is None else sigmoid(-backward),
        words=len(words(answer.response)),
        words_against=len(words(pairing.other.response)),
        run=answer.run,
        keys=keys,
    )
