"""Which response the principle makes likelier: no question is asked, so a model need not understand one.

Each response's log-probability under a prompt that asks to follow the principle, less that under the plain
conversation: what the principle adds, whatever the response's own length and fluency. RLCD (Yang et al.
2023) samples responses under opposed prompts; this reads such a contrast off responses that are there, and
all of it where the second prompt is the opposite one (`against`). A pair's probability is a logistic of the
difference, at a stated temperature. There is no order. Four calls for a vote, of which all principles share
the two plain ones.
"""

from functools import partial

from critique.model import Text
from engine.protocol import Score
from labeling.methods.method import Ballot, BothOrders, Method, from_scores
from labeling.model import Reading
from labeling.settings import LabelingSettings
from pipeline.context import RowContext
from prompts.message import Prompt

TEMPLATE, PLAIN, OPPOSITE = "follow", "respond", "go_against"


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
    prompts = [_prompt(ballot, template) for template in templates(ballot.settings)]
    guided, other = await context.together(
        [partial(likelihood, ballot.judge, prompt, response) for prompt in prompts]
    )
    gain = guided.logprob - other.logprob
    return gain / max(guided.tokens, 1) if ballot.settings.likelihood.length_normalized else gain


def _prompt(ballot: Ballot, template: str) -> Prompt:
    principle = {} if template == PLAIN else {"principle": ballot.principle}
    return ballot.prompts.render(template, conversation=ballot.comparison.conversation, **principle)


async def likelihood(judge: str, prompt: Prompt, response: Text, context: RowContext) -> Score:
    """The response's log-probability after a prompt."""
    # A transcript's turn ends in "Assistant:", a chat template's where the answer begins.
    text = response.text if prompt.text is None else f" {response.text.lstrip()}"
    return await context.score(judge, prompt, text)


def templates(settings: LabelingSettings) -> tuple[str, ...]:
    return TEMPLATE, OPPOSITE if settings.likelihood.against == "opposite" else PLAIN


METHOD = Method(read, templates, ordered=False)
