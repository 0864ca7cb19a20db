"""What texts and raters show by counting: words, phrases, verdicts come in, plain numbers go out.

Nothing here knows of models or reports, and nothing has an interval: `evaluation.figures` has those.
"""

import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

_WORDS_READ = 50
"""Distinct shares fall with length, so only so many words of each answer are looked at."""
_PHRASE_LENGTHS = range(3, 9)


@dataclass(frozen=True, slots=True)
class TextStatistics:
    """How a set of responses reads, whatever it says: drift and collapse show here first.

    `ended` is the share that the model itself ended (its end token, not the length limit), `empty` that
    without a word. `repetition` is the mean share of a response's word 4-grams that occur earlier in it.
    `distinct` maps n to the share of distinct word n-grams among all of them, over the first 50 words of each
    response. Entropies are in bits: of the responses' first three words, and of their first sentences;
    `top_opening` is the commonest three words, `top_opening_share` its share.
    """

    n: int
    mean_tokens: float
    mean_words: float
    ended: float
    empty: float
    repetition: float
    distinct: dict[int, float]
    opening_entropy: float
    sentence_entropy: float
    top_opening: str
    top_opening_share: float

    @property
    def cut_off(self) -> float:
        """The share that the length limit ended."""
        return 1 - self.ended


@dataclass(frozen=True, slots=True)
class Phrase:
    """Words in a row, and the share of responses that have them, before and after."""

    words: str
    before: float
    after: float


def text_statistics(
    responses: Sequence[str], tokens: Sequence[int], *, cut_off: Sequence[bool]
) -> TextStatistics:
    """Statistics of at least one response; `tokens` and `cut_off` belong to it position by position."""
    if not responses or not len(responses) == len(tokens) == len(cut_off):
        raise ValueError(
            "text statistics need at least one response, with one token count and one cut-off flag each"
        )
    n, texts = len(responses), [words(response) for response in responses]
    openings = Counter(" ".join(text[:3]) for text in texts)
    top, count = min(openings.items(), key=lambda item: (-item[1], item[0]))
    return TextStatistics(
        n=n,
        mean_tokens=sum(tokens) / n,
        mean_words=sum(map(len, texts)) / n,
        ended=1 - sum(cut_off) / n,
        empty=sum(not text for text in texts) / n,
        repetition=sum(map(repetition, texts)) / n,
        distinct={size: _distinct(texts, size) for size in (1, 2, 3)},
        opening_entropy=entropy(list(openings.values())),
        sentence_entropy=entropy(list(Counter(map(first_sentence, responses)).values())),
        top_opening=top,
        top_opening_share=count / n,
    )


def most_overused(before: Sequence[str], after: Sequence[str]) -> Phrase | None:
    """The phrase of three to eight words whose share of responses rose most; the longest of equals.

    None where no phrase is in two responses more, measured in shares, than before.
    """
    if not before or not after:
        return None
    then, now = _having(before), _having(after)
    shares = {
        phrase: (then[phrase] / len(before), count / len(after)) for phrase, count in now.items() if count > 1
    }
    best = max(
        shares, key=lambda one: (round(shares[one][1] - shares[one][0], 9), len(one), one), default=None
    )
    if best is None or shares[best][1] - shares[best][0] <= 1 / len(after):
        return None
    return Phrase(" ".join(best), *shares[best])


def _having(responses: Iterable[str]) -> Counter[tuple[str, ...]]:
    """How many responses have each phrase."""
    found: Counter[tuple[str, ...]] = Counter()
    for response in responses:
        text = words(response)[:_WORDS_READ]
        found.update({phrase for size in _PHRASE_LENGTHS for phrase in ngrams(text, size)})
    return found


def words(text: str) -> list[str]:
    """Words in lower case: runs of letters, digits and inner apostrophes."""
    return re.findall(r"\w+(?:'\w+)*", text.lower().replace("’", "'"))


def first_sentence(text: str) -> str:
    """The words up to the first full stop, question or exclamation mark or line break."""
    return " ".join(words(re.split(r"[.!?](?:\s|$)|\n", text.strip(), maxsplit=1)[0]))


def ngrams(tokens: Sequence[str], size: int) -> list[tuple[str, ...]]:
    return [tuple(tokens[start : start + size]) for start in range(len(tokens) - size + 1)]


def repetition(tokens: Sequence[str]) -> float:
    """Share of the text's 4-grams that it has said before; 0 for fewer than four words."""
    return 1 - distinct_share(ngrams(tokens, 4))


def distinct_share(items: Sequence[tuple[str, ...]]) -> float:
    """Distinct items over all items; 1 where there are none."""
    return len(set(items)) / len(items) if items else 1.0


def _distinct(texts: Sequence[Sequence[str]], size: int) -> float:
    return distinct_share([run for text in texts for run in ngrams(text[:_WORDS_READ], size)])


def entropy(counts: Sequence[int]) -> float:
    """Shannon entropy in bits of a distribution given by counts."""
    total = sum(counts)
    return -sum(count / total * math.log2(count / total) for count in counts if count) + 0.0


def cohen_kappa(first: Sequence[bool], second: Sequence[bool]) -> float:
    """Agreement of two raters beyond chance (Cohen 1960); 1 where both say one thing throughout."""
    if len(first) != len(second) or not first:
        raise ValueError(
            f"kappa of {len(first)} and {len(second)} verdicts: expected as many of each, and at least one"
        )
    n = len(first)
    observed = sum(one == other for one, other in zip(first, second, strict=True)) / n
    yes = sum(first) * sum(second) / n**2
    chance = yes + (n - sum(first)) * (n - sum(second)) / n**2
    return 1.0 if chance == 1 else (observed - chance) / (1 - chance)
