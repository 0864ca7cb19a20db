"""Which response the conversation makes likelier: how much of it answers what was asked.

Each response's log-probability after the conversation, less that after words that ask nothing: their
pointwise mutual information, as Holtzman et al. (2021) score answers. What a response has by its own fluency
and length cancels; what is left is that it belongs to this conversation. The words that ask nothing are the
content-free input of Zhao et al. (2021). Nothing is said of harm, and no principle is read: it tells on topic
from beside it. There is no order. Four calls for a judge.
"""

from functools import partial

from critique.model import Text
from labeling.methods.likelihood import likelihood
from labeling.methods.method import Ballot, BothOrders, Method, from_scores
from labeling.model import Reading
from pipeline.context import RowContext
from prompts.message import Message

TEMPLATE = "respond"
CONTENT_FREE = (Message("user", "N/A"),)


async def read(ballot: Ballot, context: RowContext) -> BothOrders:
    responses = (ballot.comparison.first, ballot.comparison.second)
    first, second = await context.together([partial(_gain, ballot, each) for each in responses])
    return from_scores(
        first,
        second,
        temperature=ballot.settings.relevance.temperature,
        reading=Reading(None, None, argmax_is_label=False),
    )


async def _gain(ballot: Ballot, response: Text, context: RowContext) -> float:
    """What the conversation adds to the response's log-probability, in nats, a token or in all."""
    prompts = [
        ballot.prompts.render(TEMPLATE, conversation=each)
        for each in (ballot.comparison.conversation, CONTENT_FREE)
    ]
    asked, alone = await context.together(
        [partial(likelihood, ballot.judge, prompt, response) for prompt in prompts]
    )
    gain = asked.logprob - alone.logprob
    return gain / max(asked.tokens, 1) if ballot.settings.relevance.length_normalized else gain


METHOD = Method(read, lambda _settings: (TEMPLATE,), ordered=False, by_principle=False)
