"""Which worked examples to show: the principle's own, the most related to the conversation last.

Small models copy the example that they read last, so it should be about the matter at hand and show a
revision (measured on a 135M model: a reasoned refusal last gives far more revisions that decline).
"""

from collections.abc import Sequence
from functools import lru_cache

from constitution.model import Example, Principle
from critique.relatedness import Relatedness
from prompts.message import Conversation


def related_examples(principle: Principle, conversation: Conversation, count: int) -> tuple[Example, ...]:
    """`count` examples in rising order of relatedness; one with a revision is last if the principle has any.

    One without a critique is there to be tested, and is not shown. One without a revision says that nothing
    was wrong: alone before a revision it would teach to change nothing. So the most related example that has
    one is always among those shown.
    """
    examples = tuple(example for example in principle.examples if example.critique is not None)
    if count == 0 or not examples:
        return ()
    said = " ".join(message.content for message in conversation if message.role == "user")
    similarity = _relatedness(examples).to(said)
    order = sorted(range(len(similarity)), key=lambda i: (similarity[i], -i))
    ranked = [examples[i] for i in order]
    needed = next((example for example in reversed(ranked) if example.revision is not None), None)
    chosen = sorted(ranked, key=lambda example: example is needed)[-count:]
    # Stable sorts: those without a revision first, the order of relatedness otherwise kept.
    return tuple(sorted(chosen, key=lambda example: example.revision is not None))


def _text(example: Example) -> str:
    return " ".join([example.prompt, example.response, example.critique or "", example.revision or ""])


@lru_cache(maxsize=256)
def _relatedness(examples: Sequence[Example]) -> Relatedness:
    return Relatedness([_text(example) for example in examples])
