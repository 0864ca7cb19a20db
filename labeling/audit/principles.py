"""What each principle does to the labels: which agrees with people, which decides, which contradict.

In: the judge's votes on pairs that people decided. Out: figures for whoever edits the constitution. A
principle *decides* a pair where the verdict of all votes is another one without its own; two *contradict*
each other on a pair where they name different responses.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from statistics import fmean

from labeling.audit.agreement import TIE
from labeling.audit.ask import Audited
from labeling.audit.clustered import Clusters, share
from labeling.audit.estimate import Estimate
from labeling.combine import elected
from labeling.model import NO_PREFERENCE, Combine, Vote

SHOWN = 20
"""Pairs of principles that are kept, those that contradict each other most."""


@dataclass(frozen=True, slots=True)
class PrincipleFigures:
    """One principle's votes: how many pairs, the share that agrees with people, and what they are worth.

    `confidence` is the mean of max(P, 1 - P), `decides` the share of pairs of several principles of which the
    verdict changes without this one; None where no pair has several.
    """

    pairs: int
    accuracy: Estimate | None
    confidence: float | None
    decides: Estimate | None


@dataclass(frozen=True, slots=True)
class Contradiction:
    """How often two principles name different responses of the pairs that both have an opinion on."""

    principles: tuple[str, str]
    share: Estimate


@dataclass(frozen=True, slots=True)
class Principles:
    """Every principle's figures by its id, and the pairs of principles by how often they contradict."""

    by_id: Mapping[str, PrincipleFigures]
    contradictions: tuple[Contradiction, ...]

    @property
    def idle(self) -> tuple[str, ...]:
        """Principles that never decide a pair, of those of which that can be told."""
        return tuple(
            name for name, one in self.by_id.items() if one.decides is not None and one.decides.value == 0
        )


@dataclass(frozen=True, slots=True)
class _Ballots:
    """A pair's probabilities for people's choice by principle, and by all votes but that principle's."""

    cluster: str
    by_principle: Mapping[str, float]
    whole: float
    without: Mapping[str, float]


def principles(audited: Sequence[Audited], *, combine: Combine) -> Principles:
    """Figures of the pairs in their own form; `combine` is the recipe's rule to make one label of votes."""
    ballots = [found for each in audited if (found := _ballots(each, combine)) is not None]
    names = sorted({name for each in ballots for name in each.by_principle})
    found = [
        contradiction
        for pair in combinations(names, 2)
        if (contradiction := _contradiction(pair, ballots)) is not None
    ]
    found.sort(key=lambda each: (-each.share.value, each.principles))
    return Principles({name: _figures(name, ballots) for name in names}, tuple(found[:SHOWN]))


def _ballots(audited: Audited, combine: Combine) -> _Ballots | None:
    """None where no vote can be used."""
    votes = [vote for vote in audited.judgment.votes if vote.probability is not None]
    whole = elected(votes, combine)
    if whole is None:
        return None
    names = dict.fromkeys(vote.principle for vote in votes)
    own = {name: _elected(votes, combine, name, own=True) for name in names}
    without = {name: _elected(votes, combine, name, own=False) for name in names} if len(names) > 1 else {}
    return _Ballots(audited.pair.cluster, own, whole, without)


def _elected(votes: Sequence[Vote], combine: Combine, name: str, *, own: bool) -> float:
    probability = elected([vote for vote in votes if (vote.principle == name) == own], combine)
    return 0.5 if probability is None else probability


def _figures(name: str, ballots: Sequence[_Ballots]) -> PrincipleFigures:
    voted = [each for each in ballots if name in each.by_principle]
    shared = [each for each in voted if name in each.without]
    return PrincipleFigures(
        pairs=len(voted),
        accuracy=_share([_side(each.by_principle[name]) for each in voted], voted),
        confidence=fmean(max(p, 1 - p) for p in (each.by_principle[name] for each in voted)),
        decides=_share([float(_side(each.whole) != _side(each.without[name])) for each in shared], shared),
    )


def _contradiction(names: tuple[str, str], ballots: Sequence[_Ballots]) -> Contradiction | None:
    """None where fewer than two prompts have an opinion of both; one that names neither is left out."""
    first, second = names
    both = [
        each
        for each in ballots
        if first in each.by_principle
        and second in each.by_principle
        and TIE not in (_side(each.by_principle[first]), _side(each.by_principle[second]))
    ]
    differ = [float(_side(each.by_principle[first]) != _side(each.by_principle[second])) for each in both]
    found = _share(differ, both)
    return None if found is None else Contradiction(names, found)


def _side(probability: float) -> float:
    """1 for people's choice, 0 for the other, one half for neither."""
    return TIE if abs(probability - 0.5) <= NO_PREFERENCE else float(probability > 0.5)


def _share(values: Sequence[float], ballots: Sequence[_Ballots]) -> Estimate | None:
    """None where fewer than two prompts are there, of which no interval can be made."""
    names = [each.cluster for each in ballots]
    return share(values, Clusters.of(names)) if len(set(names)) > 1 else None
