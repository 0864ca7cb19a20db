"""What a reward model gives each response alone: no question is asked, and no principle read.

The judge is a model that was trained on comparisons (`engine: reward`; `training.reward` trains one). It
rates the conversation with one response and with the other, and P(first is better) is a logistic of the
difference, as the model was trained to say (Bradley and Terry 1952). The conversation is rated as the
datasets have it, whatever the family of templates. There is no order. Two calls for a judge.
"""

from functools import partial

from critique.model import Text
from labeling.methods.method import Ballot, BothOrders, Method, from_scores
from labeling.model import Reading
from pipeline.context import RowContext
from prompts.message import Prompt


async def read(ballot: Ballot, context: RowContext) -> BothOrders:
    responses = (ballot.comparison.first, ballot.comparison.second)
    first, second = await context.together([partial(_reward, ballot, each) for each in responses])
    return from_scores(
        first,
        second,
        temperature=ballot.settings.reward.temperature,
        reading=Reading(None, None, argmax_is_label=False),
    )


async def _reward(ballot: Ballot, response: Text, context: RowContext) -> float:
    asked = Prompt(template="", template_hash="", messages=ballot.comparison.conversation)
    told = await context.reward(ballot.judge, asked, response.text, finished=not response.cut_off)
    return told.value


METHOD = Method(read, lambda _settings: (), ordered=False, by_principle=False)
