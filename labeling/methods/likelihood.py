"""Which response the principle makes likelier: no question is asked, so a model need not understand one.

Each response's log-probability under a prompt that asks to follow the principle, less that under the plain
conversation: what the principle adds, whatever the response's own length and fluency. RLCD (Yang et al. 2023)
samples responses under opposed prompts; this reads such a contrast off responses that are there. A pair's
probability is a logistic of the difference, at a stated temperature. There is no order. Four calls for a
vote, of which all principles share the two plain ones.
"""

from functools import partial

from critique.model import Text
from engine.protocol import Score
from labeling.methods.method import Ballot, BothOrders, Method, from_scores
from labeling.model import Reading
from pipeline.context import RowContext
from prompts.message import Prompt

TEMPLATE, PLAIN = "follow", "respond"


async def read(ballot: Ballot, context: RowContext) -> BothOrders:
    responses = (ballot.comparison.first, ballot.comparison.second)
    first, second = await context.together([partial(_gain, ballot, each) for each in responses])
    return from_scores(
        first,
        second,
        temperature=ballot.settings.likelihood.temperature,
        reading=Reading(None, None, argmax_is_label=False),
    )


async def _gain(ballot: Ballot, response: Text, context: RowContext) -> float:
    """What the principle adds to the response's log-probability, in nats, a token or in all."""
    conversation = ballot.comparison.conversation
    prompts = (
        ballot.prompts.render(TEMPLATE, conversation=conversation, principle=ballot.principle),
        ballot.prompts.render(PLAIN, conversation=conversation),
    )
    guided, plain = await context.together(
        [partial(_likelihood, ballot.judge, prompt, response) for prompt in prompts]
    )
    gain = guided.logprob - plain.logprob
    return gain / max(guided.tokens, 1) if ballot.settings.likelihood.length_normalized else gain


async def _likelihood(judge: str, prompt: Prompt, response: Text, context: RowContext) -> Score:
    # A transcript's turn ends in "Assistant:", a chat template's where the answer begins.
    text = response.text if prompt.text is None else f" {response.text.lstrip()}"
    return await context.score(judge, prompt, text)


METHOD = Method(read, lambda _settings: (TEMPLATE, PLAIN), ordered=False)
