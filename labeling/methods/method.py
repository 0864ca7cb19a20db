"""The face of a way to label, and what ways share: one vote in, what one judge says in both orders out.

A way asks one judge about one comparison under one principle. How many principles and judges vote, and what
follows from the votes, is not its business (`labeling.judge`).
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from functools import partial

from constitution.model import Constitution, Principle
from engine.protocol import Choice
from labeling.model import Comparison, Reading
from labeling.settings import LabelingSettings
from pipeline.context import RowContext
from prompts.message import Prompt
from prompts.render import Prompts

FIRST, SECOND = "A", "B"


@dataclass(frozen=True, slots=True)
class Ballot:
    """What one vote is about, and how it is asked for.

    `judge` is a role. `principle` is None where the way reads none.
    """

    comparison: Comparison
    principle: Principle | None
    judge: str
    prompts: Prompts
    settings: LabelingSettings
    negated: bool = False

    def compare(self, template: str, shown: Comparison, **more: object) -> Prompt:
        """The comparison in the order in which it is shown, in the words of a template."""
        return self.prompts.render(
            template,
            conversation=shown.conversation,
            first=shown.first.text,
            second=shown.second.text,
            principle=self.principle,
            **more,
        )


@dataclass(frozen=True, slots=True)
class BothOrders:
    """What a judge says of a comparison and of the swapped one.

    The scores are what each response gets by itself, where the way scores them so, in the way's own measure.
    """

    forward: Reading
    backward: Reading
    first_score: float | None = None
    second_score: float | None = None


@dataclass(frozen=True, slots=True)
class Method:
    """One way to label.

    `read` asks for one vote; it raises `CallError` where the judge cannot answer. `templates` are the names
    of those that it asks by, if any, the one that puts the question first. `clamp` are its limits for a
    probability unless a recipe says others. `ordered` says whether both responses are shown at once, so that
    their order can bias a judge, `by_principle` whether a principle is read: else each judge votes once.
    `lacks` says why it cannot work with a constitution, "" where it can.
    """

    read: Callable[[Ballot, RowContext], Awaitable[BothOrders]]
    templates: Callable[[LabelingSettings], tuple[str, ...]]
    clamp: tuple[float, float] = (0.0, 1.0)
    ordered: bool = True
    by_principle: bool = True
    lacks: Callable[[Constitution], str] = lambda _constitution: ""


async def in_both_orders(
    ballot: Ballot, context: RowContext, ask: Callable[[Comparison, RowContext], Awaitable[Reading]]
) -> BothOrders:
    """Ask about the comparison and the swapped one at the same time."""
    shown = (ballot.comparison, ballot.comparison.swapped())
    forward, backward = await context.together([partial(ask, each) for each in shown])
    return BothOrders(forward, backward)


def letter_reading(choice: Choice, *, negated: bool = False, rationale: str | None = None) -> Reading:
    """What the letters' log-probabilities say; the worse response was asked for if `negated`."""
    logit = choice.logprobs[FIRST] - choice.logprobs[SECOND]
    return Reading(
        -logit if negated else logit,
        choice.mass,
        choice.argmax_is_label,
        choice.bounded,
        rationale=rationale,
        way=choice.way,
    )


def from_scores(first: float, second: float, *, temperature: float, reading: Reading) -> BothOrders:
    """Both orders of responses that were scored alone: a logistic of the difference, the same either way.

    `reading` says how the scores were read; its `logit` is filled in. P(first is better) is
    1 / (1 + exp(-(first - second) / temperature)), as in a Bradley-Terry model of the scores.
    """
    logit = (first - second) / temperature
    return BothOrders(replace(reading, logit=logit), replace(reading, logit=-logit), first, second)
