"""How related texts are: the cosine of TF-IDF vectors over word stems. Text in, numbers from 0 to 1 out.

Picks the worked examples that a prompt is shown beside and the answers that it could be mistaken for.
"""

import math
import re
from array import array
from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import Protocol

WORD = re.compile(r"[a-z]{3,}")


def words(text: str) -> list[str]:
    """Lower-case words of three letters or more, cut to six, so that forms of a word fall together."""
    return [word[:6] for word in WORD.findall(text.lower())]


class Texts(Protocol):
    """Texts that can be gone through more than once: a list, or a file of them."""

    def __len__(self) -> int: ...

    def __iter__(self) -> Iterator[str]: ...


class Relatedness:
    """Texts that others are compared with; a word weighs by how few of these texts have it.

    Twelve bytes for each text that holds a word are kept in memory, and none of the texts.
    """

    def __init__(self, texts: Texts) -> None:
        self.count = len(texts)
        seen = Counter(word for text in texts for word in set(words(text)))
        self._weights = {word: math.log((1 + self.count) / (1 + number)) for word, number in seen.items()}
        self._places: dict[str, array[int]] = defaultdict(lambda: array("I"))
        self._values: dict[str, array[float]] = defaultdict(lambda: array("d"))
        for place, text in enumerate(texts):
            for word, value in self._vector(Counter(words(text))).items():
                self._places[word].append(place)
                self._values[word].append(value)

    def to(self, text: str) -> list[float]:
        """The cosine of the text with each of the texts, in their order."""
        cosines = [0.0] * self.count
        for word, value in self._vector(Counter(words(text))).items():
            for place, other in zip(self._places[word], self._values[word], strict=True):
                cosines[place] += value * other
        return cosines

    def _vector(self, counts: Counter[str]) -> dict[str, float]:
        """Of length 1; words that none of the texts has, or all of them, weigh nothing."""
        values = {
            word: (1 + math.log(count)) * self._weights[word]
            for word, count in counts.items()
            if self._weights.get(word)
        }
        length = math.hypot(*values.values())
        return {word: value / length for word, value in values.items()}
