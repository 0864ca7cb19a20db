"""A rationale first, then the letter: chain of thought as the CAI paper labels with it.

Bai et al. 2022, section 4.1: "Let's think step by step", and after it the constrained choice, its probability
clamped to 0.4-0.6, since a judge that has reasoned is too sure. The verdict is the choice alone, which comes
last: whatever the rationale or a response claims to be the answer is only text before it. A judge that
declines to compare is kept as refused, one that says nothing as unparsed. Two calls for each order.
"""

import re

from labeling.methods.method import FIRST, SECOND, Ballot, BothOrders, Method, in_both_orders, letter_reading
from labeling.model import Comparison, Reading
from pipeline.context import RowContext

TEMPLATE = "compare_with_reasoning"
CLAMP = (0.4, 0.6)

_DECLINES = re.compile(
    r"\W*(?:(?:i['’]m|i am) (?:sorry|unable|not able)|(?:i|we) (?:can ?not|can['’]t|won['’]t|will not)\b"
    r"|sorry,|my apologies|as an ai\b)",
    re.IGNORECASE,
)
_NAMES_A_RESPONSE = re.compile(r"\([AB]\)|\b(?:[Rr]esponse|[Oo]ption|[Aa]nswer) [AB]\b")


async def read(ballot: Ballot, context: RowContext) -> BothOrders:
    sampling = ballot.settings.rationale.sampling()

    async def ask(shown: Comparison, context: RowContext) -> Reading:
        asked = ballot.compare(TEMPLATE, shown, rationale="")
        rationale = (await context.chat(ballot.judge, asked, sampling)).text.strip()
        if not rationale or declines(rationale):
            return Reading(None, None, False, rationale=rationale, refused=bool(rationale))
        prompt = ballot.compare(TEMPLATE, shown, rationale=rationale)
        choice = await context.choose(ballot.judge, prompt, (FIRST, SECOND))
        return letter_reading(choice, rationale=rationale)

    return await in_both_orders(ballot, context, ask)


def declines(rationale: str) -> bool:
    """Whether the judge refuses to compare: it opens as refusals do and speaks of neither response."""
    return _DECLINES.match(rationale) is not None and _NAMES_A_RESPONSE.search(rationale) is None


METHOD = Method(read, lambda _settings: (TEMPLATE,), clamp=CLAMP)
