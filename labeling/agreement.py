"""How often a judge's two orders, and all of its votes, named the same response.

In: the labels of a run, one by one. Out: the same labels, and when they have gone by a sentence for the card.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from labeling.model import Labelled


@dataclass(slots=True)
class Agreement:
    """How often both orders, and all votes, named the same response; fair coins would in half of the pairs.

    `ordered`: whether the responses were shown in an order at all.
    """

    ordered: bool
    pairs: int = 0
    same_response: int = 0
    voted: int = 0
    unanimous: int = 0

    def counting(self, labelled: Iterable[Labelled]) -> Iterator[Labelled]:
        """The pairs as they come, counted on their way."""
        for item in labelled:
            if item.comparison.identical:
                yield item
                continue
            self.pairs += 1
            self.same_response += item.judgment.agree
            self.voted += len(item.judgment.votes) > 1
            self.unanimous += len(item.judgment.votes) > 1 and item.judgment.unity == 1
            yield item

    def __str__(self) -> str:
        said = "responses were scored one by one, so no order can have biased the judge"
        if self.ordered:
            said = (
                f"the two orders named the same response in {_share(self.same_response, self.pairs)}, "
                "else the same position"
            )
        if not self.voted:
            return said
        return f"{said}; all votes were for the same response in {_share(self.unanimous, self.voted)}"


def _share(part: int, pairs: int) -> str:
    return f"{part} of {pairs} pairs ({100 * part / max(pairs, 1):.0f} %)"
