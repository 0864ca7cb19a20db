"""The letter at once: the normalised log-probabilities of (A) and (B), as the CAI paper labels.

Bai et al. 2022, section 4.1; asking in both orders is RLAIF's (Lee et al. 2023). A negated vote asks for the
worse response and is read with the sign turned, after SALMON's negated principles (Sun et al. 2023). The
principle stands last in the prompt, so that all votes on one order begin alike. Two calls for a vote.
"""

from labeling.methods.method import FIRST, SECOND, Ballot, BothOrders, Method, in_both_orders, letter_reading
from labeling.model import Comparison, Reading
from labeling.settings import LabelingSettings
from pipeline.context import RowContext

TEMPLATE, NEGATED = "compare", "compare_negated"


async def read(ballot: Ballot, context: RowContext) -> BothOrders:
    async def ask(shown: Comparison, context: RowContext) -> Reading:
        prompt = ballot.compare(NEGATED if ballot.negated else TEMPLATE, shown)
        choice = await context.choose(ballot.judge, prompt, (FIRST, SECOND))
        return letter_reading(choice, negated=ballot.negated)

    return await in_both_orders(ballot, context, ask)


def _templates(settings: LabelingSettings) -> tuple[str, ...]:
    return (TEMPLATE, NEGATED) if settings.negated else (TEMPLATE,)


METHOD = Method(read, _templates)
