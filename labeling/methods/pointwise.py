"""Each response scored alone, by the expected value of a digit: d-RLAIF's score (Lee et al. 2023).

The judge is asked how well a response does by the principle's question, from 1 to 9, and the digits'
normalised log-probabilities give an expected value, scaled to [-1, 1]. The paper's scale ends at 10; here it
ends at 9, because to some tokenizers 10 is one token and to others it is a 1 and a 0: its probability would
hide in that of 1, and a judge's best score would be read as its worst. A pair's probability is a logistic of
the difference of scores, at a stated temperature. There is no order and so no position bias. Two calls for a
vote.
"""

from dataclasses import dataclass
from functools import partial

from constitution.model import Principle
from critique.model import Text
from engine.protocol import Choice
from labeling.methods.method import Ballot, BothOrders, Method, from_scores
from labeling.model import Reading
from pipeline.context import RowContext
from prompts.message import Conversation
from prompts.render import Prompts

TEMPLATE = "score_response"
DIGITS = tuple("123456789")
_MIDDLE, _REACH = 5, 4
"""The scale's middle, and how far its ends are from it."""


@dataclass(frozen=True, slots=True)
class Alone:
    """One response by itself, the principle that it is scored by, and the role of the judge that is asked."""

    conversation: Conversation
    response: str
    principle: Principle | None
    judge: str
    prompts: Prompts


@dataclass(frozen=True, slots=True)
class Score:
    """A response's score, -1 to 1, and the choice that it was read from."""

    value: float
    choice: Choice


async def read(ballot: Ballot, context: RowContext) -> BothOrders:
    responses = (ballot.comparison.first, ballot.comparison.second)
    first, second = await context.together([partial(_score, ballot, each) for each in responses])
    return from_scores(
        first.value,
        second.value,
        temperature=ballot.settings.pointwise.temperature,
        reading=_how(first.choice, second.choice),
    )


async def score(alone: Alone, context: RowContext) -> Score:
    """Ask a judge about one response: one call.

    Raises:
        CallError: the judge could not answer.
    """
    prompt = alone.prompts.render(
        TEMPLATE, conversation=alone.conversation, response=alone.response, principle=alone.principle
    )
    choice = await context.choose(alone.judge, prompt, DIGITS)
    return Score(expected(choice), choice)


def expected(choice: Choice) -> float:
    """The digits' expected value, scaled to [-1, 1]: sum of i P(i), with 1 at -1, 5 at 0 and 9 at 1."""
    mean = sum(int(digit) * probability for digit, probability in choice.normalized().items())
    return (mean - _MIDDLE) / _REACH


async def _score(ballot: Ballot, response: Text, context: RowContext) -> Score:
    conversation = ballot.comparison.conversation
    alone = Alone(conversation, response.text, ballot.principle, ballot.judge, ballot.prompts)
    return await score(alone, context)


def _how(first: Choice, second: Choice) -> Reading:
    """How both scores were read: the smaller mass of the two counts."""
    masses = [choice.mass for choice in (first, second) if choice.mass is not None]
    return Reading(
        None,
        min(masses, default=None),
        first.argmax_is_label and second.argmax_is_label,
        first.bounded or second.bounded,
        way=first.way,
    )


METHOD = Method(read, lambda _settings: (TEMPLATE,), ordered=False)
