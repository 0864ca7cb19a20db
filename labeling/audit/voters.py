"""What each voter does to the labels: which agrees with people, which decides, which contradict.

In: votes on pairs that people decided. Out: figures by principle, for whoever edits the constitution, or by
judge, for whoever chooses the panel. One *decides* a pair where the verdict of all votes is another one
without its own; two *contradict* each other on a pair where they name different responses.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from statistics import fmean
from typing import Literal

from labeling.audit.agreement import TIE
from labeling.audit.ask import Audited
from labeling.audit.clustered import Clusters, share
from labeling.audit.estimate import Estimate
from labeling.combine import elected
from labeling.model import NO_PREFERENCE, Vote
from labeling.settings import Combine

SHOWN = 20
"""How many two and two are kept, those that contradict each other most."""


@dataclass(frozen=True, slots=True)
class Voter:
    """One principle's votes, or one judge's: on how many pairs, and what they are worth.

    `accuracy` is the share that agrees with people, `confidence` the mean of max(P, 1 - P), `decides` the
    share of pairs with several voters of which the verdict changes without this one; None where no pair has
    several.
    """

    pairs: int
    accuracy: Estimate | None
    confidence: float | None
    decides: Estimate | None


@dataclass(frozen=True, slots=True)
class Contradiction:
    """How often two of them name different responses of the pairs that both have an opinion on."""

    between: tuple[str, str]
    share: Estimate


@dataclass(frozen=True, slots=True)
class Voters:
    """Each one's figures by name, and the two and two of them by how often they contradict."""

    by_name: Mapping[str, Voter]
    contradictions: tuple[Contradiction, ...]

    @property
    def idle(self) -> tuple[str, ...]:
        """Those that never decide a pair, as far as that can be told."""
        return tuple(
            name for name, one in self.by_name.items() if one.decides is not None and one.decides.value == 0
        )


@dataclass(frozen=True, slots=True)
class _Ballots:
    """A pair's probabilities for people's choice by voter, by all votes, and by all but that voter's."""

    cluster: str
    own: Mapping[str, float]
    whole: float
    without: Mapping[str, float]


def voters(
    audited: Sequence[Audited], *, combine: Combine, by: Literal["principle", "judge"] = "principle"
) -> Voters:
    """Figures of the pairs in their own form; `combine` is the recipe's rule to make one label of votes."""
    ballots = [found for each in audited if (found := _ballots(each, combine, by=by)) is not None]
    names = sorted({name for each in ballots for name in each.own})
    found = [
        contradiction
        for pair in combinations(names, 2)
        if (contradiction := _contradiction(pair, ballots)) is not None
    ]
    found.sort(key=lambda each: (-each.share.value, each.between))
    return Voters({name: _figures(name, ballots) for name in names}, tuple(found[:SHOWN]))


def _ballots(audited: Audited, combine: Combine, *, by: str) -> _Ballots | None:
    """None where no vote can be used."""
    votes = [vote for vote in audited.judgment.votes if vote.probability is not None]
    whole = elected(votes, combine)
    if whole is None:
        return None
    by_voter: dict[str, list[Vote]] = {}
    for vote in votes:
        name = vote.principle if by == "principle" else vote.judge
        if name:  # a way that reads no principle names none
            by_voter.setdefault(name, []).append(vote)
    own = {name: _elected(cast, combine) for name, cast in by_voter.items()}
    others = {name: [vote for vote in votes if vote not in cast] for name, cast in by_voter.items()}
    without = {name: _elected(cast, combine) for name, cast in others.items()} if len(own) > 1 else {}
    return _Ballots(audited.pair.cluster, own, whole, without)


def _elected(votes: Sequence[Vote], combine: Combine) -> float:
    probability = elected(votes, combine)
    return 0.5 if probability is None else probability


def _figures(name: str, ballots: Sequence[_Ballots]) -> Voter:
    voted = [each for each in ballots if name in each.own]
    shared = [each for each in voted if name in each.without]
    return Voter(
        pairs=len(voted),
        accuracy=_share([_side(each.own[name]) for each in voted], voted),
        confidence=fmean(max(p, 1 - p) for p in (each.own[name] for each in voted)),
        decides=_share([float(_side(each.whole) != _side(each.without[name])) for each in shared], shared),
    )


def _contradiction(names: tuple[str, str], ballots: Sequence[_Ballots]) -> Contradiction | None:
    """None where fewer than two prompts have an opinion of both; one that names neither is left out."""
    first, second = names
    both = [
        each
        for each in ballots
        if first in each.own
        and second in each.own
        and TIE not in (_side(each.own[first]), _side(each.own[second]))
    ]
    differ = [float(_side(each.own[first]) != _side(each.own[second])) for each in both]
    found = _share(differ, both)
    return None if found is None else Contradiction(names, found)


def _side(probability: float) -> float:
    """1 for people's choice, 0 for the other, one half for neither."""
    return TIE if abs(probability - 0.5) <= NO_PREFERENCE else float(probability > 0.5)


def _share(values: Sequence[float], ballots: Sequence[_Ballots]) -> Estimate | None:
    """None where fewer than two prompts are there, of which no interval can be made."""
    names = [each.cluster for each in ballots]
    return share(values, Clusters.of(names)) if len(set(names)) > 1 else None
