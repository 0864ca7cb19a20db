"""The nouns of labeling: a comparison, and the readings and votes of a judgment."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import fmean
from typing import Literal

from critique.model import Text
from engine.protocol import LabelWay
from prompts.message import Conversation

Source = Literal["samples", "revision", "hard_negative", "contrast", "best_of_n"]
Origin = Literal[Source, "human"]
"""Where a comparison comes from: a source of the recipe's pairs, or a file of pairs that people labelled."""
CONSTRUCTED: frozenset[Source] = frozenset({"revision", "hard_negative", "contrast"})
"""Sources whose first response is better by how the pair was made."""
SAMPLED: frozenset[Source] = frozenset({"samples", "contrast", "best_of_n"})
"""Sources that ask the policy for responses."""
Verdict = Literal["first", "second", "tie", "unparsed", "refused", "identical"]

NO_PREFERENCE = 1e-6
"""A probability this close to 0.5, or log-odds this close to 0, name no response: rounding is no opinion.

Log-probabilities are float32 on their way, where neighbours are 6e-8 apart at 0.5 and 1e-6 at 10."""

JUDGE = "judge"
"""The role of the judge that votes where the recipe names no panel."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """A conversation and two responses to it.

    `group` names what several comparisons belong to that are ranked together, and so judged under the same
    principles; "" where it stands alone. `shaped_by` is the principle by which a response was made: what a
    revision was asked for, what a contrast follows and goes against.
    """

    id: str
    source: Origin
    conversation: Conversation
    first: Text
    second: Text
    category: str = ""
    group: str = ""
    shaped_by: str = ""

    @property
    def identical(self) -> bool:
        """Whether both responses say the same."""
        return self.first.text.strip() == self.second.text.strip()

    @property
    def drawn_as(self) -> str:
        """What its principles are drawn by: the same ones vote on all comparisons of a group."""
        return self.group or self.id

    @property
    def row(self) -> str:
        """The row that the pair was made of: what stands in its id before the source."""
        return self.id.rpartition(f"/{self.source}")[0] or self.id

    def swapped(self) -> "Comparison":
        return replace(self, first=self.second, second=self.first)


@dataclass(frozen=True, slots=True)
class Reading:
    """What the judge said of one order.

    `logit` is the log-odds, in nats, that the response shown first is the better one: log P(A) - log P(B),
    its sign turned where the worse one was asked for; None where there was nothing to read. `mass` is the
    probability that all labels hold together, None where the judge was held to them or none was asked for;
    `way` how it was asked for them. `refused` says that the judge declined to judge, in words.
    """

    logit: float | None
    mass: float | None
    argmax_is_label: bool
    bounded: bool = False
    rationale: str | None = None
    way: LabelWay = "vocabulary"
    refused: bool = False


@dataclass(frozen=True, slots=True)
class Vote:
    """One judge's opinion under one principle, in both orders; ways without an order say the same twice.

    `principle` is "" where the way reads none, `judge` the judge's role. `probability` is that of the first
    response being better; None where a reading could not be used, and then the vote does not count. The
    scores are what each response got by itself: -1 to 1 by `pointwise`, nats by `likelihood` and `relevance`,
    its reward by `reward`, None where responses are only compared.
    """

    principle: str
    judge: str
    negated: bool
    forward: Reading
    backward: Reading
    probability: float | None
    first_score: float | None = None
    second_score: float | None = None


@dataclass(frozen=True, slots=True)
class Judgment:
    """The votes on a comparison, and what follows from them.

    `probability` is that of the first response being better; None where no vote counts. There is no vote
    where the responses are identical.
    """

    votes: tuple[Vote, ...]
    probability: float | None
    verdict: Verdict
    method: str
    template: str
    template_hash: str

    @property
    def forward_logit(self) -> float | None:
        """The mean of the votes that count, in nats."""
        return mean_logit(self.votes, "forward")

    @property
    def backward_logit(self) -> float | None:
        """As `forward_logit`, of the responses swapped."""
        return mean_logit(self.votes, "backward")

    @property
    def agree(self) -> bool:
        return orders_agree(self.votes)

    @property
    def unity(self) -> float | None:
        """The share of the counted votes for the response that most of them are for; None without a vote.

        A vote of exactly 0.5 is half a vote for either.
        """
        sides = [_side(vote.probability) for vote in self.votes if vote.probability is not None]
        return max(fmean(sides), 1 - fmean(sides)) if sides else None


def mean_logit(votes: Sequence[Vote], order: Literal["forward", "backward"]) -> float | None:
    """One order's log-odds, the mean of the votes that count; of all that can be read, where none counts."""
    counted = [vote for vote in votes if vote.probability is not None] or votes
    readings = [vote.forward if order == "forward" else vote.backward for vote in counted]
    known = [reading.logit for reading in readings if reading.logit is not None]
    return fmean(known) if known else None


def orders_agree(votes: Sequence[Vote]) -> bool:
    """Whether both orders, each averaged over the votes, name the same response."""
    forward, backward = mean_logit(votes, "forward"), mean_logit(votes, "backward")
    if forward is None or backward is None or min(abs(forward), abs(backward)) <= NO_PREFERENCE:
        return False
    return (forward > 0) == (backward < 0)


def _side(probability: float) -> float:
    return 0.5 if abs(probability - 0.5) <= NO_PREFERENCE else float(probability > 0.5)


@dataclass(frozen=True, slots=True)
class Labelled:
    """A comparison with its judgment and the journal keys of all calls that led to it."""

    comparison: Comparison
    judgment: Judgment
    keys: tuple[str, ...] = ()
