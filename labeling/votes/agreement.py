"""How far people agree with each other: votes in, observed agreement and Krippendorff's alpha out.

Alpha (Krippendorff 2011, "Computing Krippendorff's Alpha-Reliability", nominal data) takes any number of
people and pairs on which only some of them voted: 1 is perfect, 0 what votes drawn at random would give.
"""

from collections import Counter
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby

from labeling.votes.sheet import HumanVote


@dataclass(frozen=True, slots=True)
class PeopleAgreement:
    """Over pairs with two votes or more, skipped ones aside.

    `raw` is the share of agreeing votes among all that can be compared; `alpha` is None where all votes are
    the same, and both are where no pair has two.
    """

    annotators: int
    votes: int
    pairs: int
    raw: float | None
    alpha: float | None


def agreement(votes: Sequence[HumanVote]) -> PeopleAgreement:
    """Of all votes; ties are votes of their own kind."""
    counted = [vote for vote in votes if vote.choice != "skip"]
    by_pair = groupby(sorted(counted, key=lambda vote: vote.sheet.id), key=lambda vote: vote.sheet.id)
    units = [[vote.choice for vote in group] for _, group in by_pair]
    annotators = {vote.annotator for vote in counted}
    compared = sum(len(unit) > 1 for unit in units)
    raw, alpha = observed(units), krippendorff_alpha(units)
    return PeopleAgreement(len(annotators), len(counted), compared, raw, alpha)


def observed(units: Iterable[Sequence[Hashable]]) -> float | None:
    """The share of agreeing values among all that can be compared: one minus Krippendorff's disagreement."""
    counts = [Counter(unit) for unit in units if len(unit) > 1]
    total = sum(count.total() for count in counts)
    same = sum(n * (n - 1) / (count.total() - 1) for count in counts for n in count.values())
    return same / total if total else None


def krippendorff_alpha(units: Iterable[Sequence[Hashable]]) -> float | None:
    """One minus observed by expected disagreement; a unit holds the values that people gave it."""
    compared = [unit for unit in units if len(unit) > 1]
    values = Counter(value for unit in compared for value in unit)
    total = values.total()
    different = total**2 - sum(n**2 for n in values.values())
    raw = observed(compared)
    if raw is None or different == 0:
        return None
    return 1 - (1 - raw) * total * (total - 1) / different
