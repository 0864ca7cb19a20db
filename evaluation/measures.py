"""The numbers of an evaluation: counts and texts come in, shares with intervals and text statistics go out.

Nothing here knows of models, grades or reports. Every share carries its 95 % interval, because held-out
suites are small.
"""

import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

_Z = 1.959963984540054
"""The standard normal's 97.5 % point."""


@dataclass(frozen=True, slots=True)
class Share:
    """`count` of `n`, with Wilson's 95 % interval (Wilson 1927): sound at 0, at n, and for small n."""

    count: int
    n: int

    def __post_init__(self) -> None:
        if not 0 <= self.count <= self.n or self.n == 0:
            raise ValueError(f"a share of {self.count} in {self.n}: expected 0 <= count <= n and n > 0")

    @property
    def value(self) -> float:
        return self.count / self.n

    @property
    def low(self) -> float:
        return 0.0 if self.count == 0 else self._center - self._half

    @property
    def high(self) -> float:
        return 1.0 if self.count == self.n else self._center + self._half

    @property
    def _center(self) -> float:
        return (self.value + _Z**2 / (2 * self.n)) / (1 + _Z**2 / self.n)

    @property
    def _half(self) -> float:
        spread = self.value * (1 - self.value) / self.n + _Z**2 / (4 * self.n**2)
        return _Z * math.sqrt(spread) / (1 + _Z**2 / self.n)


@dataclass(frozen=True, slots=True)
class Change:
    """A difference of two shares on the same `n` prompts, after minus before, with its 95 % interval."""

    value: float
    low: float
    high: float
    n: int

    @property
    def includes_zero(self) -> bool:
        return self.low <= 0 <= self.high


@dataclass(frozen=True, slots=True)
class TextStatistics:
    """How a set of responses reads, whatever it says: drift and collapse show here first.

    `repetition` is the mean share of a response's word 4-grams that occur earlier in it. `distinct_2` is the
    share of distinct word pairs among all pairs of all responses; it falls with length as well.
    `opening_entropy` is in bits, over the responses' first three words; `top_opening` is the commonest of
    these, `top_opening_share` its share.
    """

    n: int
    mean_tokens: float
    mean_words: float
    cut_off: float
    empty: float
    repetition: float
    distinct_2: float
    opening_entropy: float
    top_opening: str
    top_opening_share: float


def paired_change(before: Sequence[bool], after: Sequence[bool]) -> Change:
    """After minus before on the same prompts, position by position.

    The interval is Newcombe's score interval for paired proportions with his correction of the correlation
    (Newcombe 1998, Statistics in Medicine 17, method 10); unlike a bootstrap's, it has width where
    nothing changed.
    """
    if len(before) != len(after):
        raise ValueError(
            f"{len(before)} answers before and {len(after)} after: the two must be on the same prompts"
        )
    first, second = Share(sum(after), len(after)), Share(sum(before), len(before))
    value, phi = first.value - second.value, _corrected_phi(before, after)
    below = _score_distance(first.value - first.low, second.high - second.value, phi)
    above = _score_distance(first.high - first.value, second.value - second.low, phi)
    return Change(value, max(-1.0, value - below), min(1.0, value + above), len(after))


def _score_distance(one: float, other: float, phi: float) -> float:
    return math.sqrt(max(0.0, one**2 - 2 * phi * one * other + other**2))


def _corrected_phi(before: Sequence[bool], after: Sequence[bool]) -> float:
    table = Counter(zip(after, before, strict=True))
    both, only_after, only_before, neither = (
        table[key] for key in ((True, True), (True, False), (False, True), (False, False))
    )
    margins = (both + only_after) * (only_before + neither) * (both + only_before) * (only_after + neither)
    if margins == 0:
        return 0.0
    product = both * neither - only_after * only_before
    corrected = max(product - len(after) / 2, 0.0) if product > 0 else float(product)
    return corrected / math.sqrt(margins)


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
        cut_off=sum(cut_off) / n,
        empty=sum(not text for text in texts) / n,
        repetition=sum(map(repetition, texts)) / n,
        distinct_2=distinct_share([pair for text in texts for pair in ngrams(text, 2)]),
        opening_entropy=entropy(list(openings.values())),
        top_opening=top,
        top_opening_share=count / n,
    )


def words(text: str) -> list[str]:
    """Words in lower case: runs of letters, digits and inner apostrophes."""
    return re.findall(r"\w+(?:'\w+)*", text.lower().replace("’", "'"))


def ngrams(tokens: Sequence[str], size: int) -> list[tuple[str, ...]]:
    return [tuple(tokens[start : start + size]) for start in range(len(tokens) - size + 1)]


def repetition(tokens: Sequence[str]) -> float:
    """Share of the text's 4-grams that it has said before; 0 for fewer than four words."""
    return 1 - distinct_share(ngrams(tokens, 4))


def distinct_share(items: Sequence[tuple[str, ...]]) -> float:
    """Distinct items over all items; 1 where there are none."""
    return len(set(items)) / len(items) if items else 1.0


def entropy(counts: Sequence[int]) -> float:
    """Shannon entropy in bits of a distribution given by counts."""
    total = sum(counts)
    return -sum(count / total * math.log2(count / total) for count in counts if count) + 0.0


def cohen_kappa(first: Sequence[bool], second: Sequence[bool]) -> float:
    """Agreement of two raters beyond chance (Cohen 1960); 1 where both say the same one thing throughout."""
    if len(first) != len(second) or not first:
        raise ValueError(
            f"kappa of {len(first)} and {len(second)} verdicts: expected as many of each, and at least one"
        )
    n = len(first)
    observed = sum(one == other for one, other in zip(first, second, strict=True)) / n
    yes = sum(first) * sum(second) / n**2
    chance = yes + (n - sum(first)) * (n - sum(second)) / n**2
    return 1.0 if chance == 1 else (observed - chance) / (1 - chance)
