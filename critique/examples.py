"""Which worked examples to show: the principle's own, the most related to the conversation last.

Small models copy the example that they read last, so it should be about the matter at hand and show a
revision (measured on a 135M model: a reasoned refusal last gives far more revisions that decline).
Relatedness is the cosine of TF-IDF vectors over word stems of the whole example.
"""

import math
import re
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache

from constitution.model import Example, Principle
from prompts.message import Conversation

WORD = re.compile(r"[a-z]{3,}")


def related_examples(principle: Principle, conversation: Conversation, count: int) -> tuple[Example, ...]:
    """`count` examples in rising order of relatedness; one with a revision is last if the principle has any.

    An example without one says that nothing was wrong: alone before a revision it would teach to change
    nothing. So the most related example that has one is always among those shown.
    """
    if count == 0 or not principle.examples:
        return ()
    said = " ".join(message.content for message in conversation if message.role == "user")
    weights = _weights(principle.examples)
    query = _vector(said, weights)
    similarity = [_cosine(query, _vector(_text(example), weights)) for example in principle.examples]
    order = sorted(range(len(similarity)), key=lambda i: (similarity[i], -i))
    ranked = [principle.examples[i] for i in order]
    needed = next((example for example in reversed(ranked) if example.revision is not None), None)
    chosen = sorted(ranked, key=lambda example: example is needed)[-count:]
    # Stable sorts: those without a revision first, the order of relatedness otherwise kept.
    return tuple(sorted(chosen, key=lambda example: example.revision is not None))


def words(text: str) -> list[str]:
    """Lower-case words of three letters or more, cut to six, so that forms of a word fall together."""
    return [word[:6] for word in WORD.findall(text.lower())]


def _text(example: Example) -> str:
    return " ".join([example.prompt, example.response, example.critique, example.revision or ""])


@lru_cache(maxsize=256)
def _weights(examples: Sequence[Example]) -> dict[str, float]:
    """Inverse document frequency over the principle's examples; words in none of them weigh nothing."""
    seen = Counter(word for example in examples for word in set(words(_text(example))))
    return {word: math.log((1 + len(examples)) / (1 + count)) for word, count in seen.items()}


def _vector(text: str, weights: dict[str, float]) -> dict[str, float]:
    counts = Counter(word for word in words(text) if word in weights)
    return {word: (1 + math.log(count)) * weights[word] for word, count in counts.items()}


def _cosine(a: dict[str, float], b: dict[str, float]) -> float:
    norm = math.hypot(*a.values()) * math.hypot(*b.values())
    return sum(value * b.get(word, 0.0) for word, value in a.items()) / norm if norm else 0.0
