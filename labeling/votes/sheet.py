"""A pair as people see it, and a vote on it.

Which response stands first is drawn for each pair from the run's seed, and so is the pairs' order: whoever
votes cannot tell from the place which response the judge preferred or a revision is.
"""

import hashlib
import heapq
import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from labeling.model import Comparison
from pipeline.context import derived_seed
from prompts.message import Conversation, as_dicts

Word = Literal["1", "2", "tie", "skip"]
"""What people write: the better response, neither, or that they cannot say."""

Choice = Literal["first", "second", "tie", "skip"]
"""The same in the comparison's own order."""


@dataclass(frozen=True, slots=True)
class Sheet:
    """One pair to vote on. `swapped`: its first response is the comparison's second.

    `digest` names what people saw, so that a vote is never counted for a pair that has changed since.
    """

    id: str
    conversation: Conversation
    responses: tuple[str, str]
    swapped: bool

    @property
    def digest(self) -> str:
        whole = json.dumps([as_dicts(self.conversation), self.responses])
        # A letter first: a spreadsheet must not take it for a number.
        return f"p{hashlib.sha256(whole.encode()).hexdigest()[:12]}"

    def choice(self, word: Word) -> Choice:
        if word in ("tie", "skip"):
            return word
        return "first" if (word == "1") != self.swapped else "second"


@dataclass(frozen=True, slots=True)
class HumanVote:
    """What one person said of one pair."""

    sheet: Sheet
    annotator: str
    word: Word

    @property
    def choice(self) -> Choice:
        return self.sheet.choice(self.word)


def sheet(comparison: Comparison, *, seed: int) -> Sheet:
    """The comparison as it is shown; the same for the same seed."""
    swapped = derived_seed(seed, "vote", comparison.id) % 2 == 1
    shown = comparison.swapped() if swapped else comparison
    return Sheet(comparison.id, comparison.conversation, (shown.first.text, shown.second.text), swapped)


def sheets(comparisons: Iterable[Comparison], *, seed: int, limit: int | None = None) -> list[Sheet]:
    """All pairs in a drawn order, or the first so many of it; with more, a larger limit only adds some."""
    ordered = ((derived_seed(seed, "votes", each.id), each.id, each) for each in comparisons)
    chosen = sorted(ordered, key=_place) if limit is None else heapq.nsmallest(limit, ordered, key=_place)
    return [sheet(comparison, seed=seed) for _, _, comparison in chosen]


def _place(drawn: tuple[int, str, Comparison]) -> tuple[int, str]:
    return drawn[:2]
