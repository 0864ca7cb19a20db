"""How far a judge agrees with people: opinions come in, accuracy and kappa with intervals go out.

An opinion scores 1 where the judge prefers what people chose, 0 where it prefers the other, one half where it
cannot tell. Opinions that could not be used are counted beside the figures and stand in none of them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from labeling.audit.clustered import Clusters, share
from labeling.audit.estimate import Estimate
from labeling.audit.model import Opinion

TIE = 0.5


@dataclass(frozen=True, slots=True)
class Kind:
    """Agreement on one kind of harm or skill; no accuracy where none of its pairs could be used."""

    pairs: int
    unparsed: int
    accuracy: Estimate | None


@dataclass(frozen=True, slots=True)
class Agreement:
    """A judge against people, over the pairs that could be used.

    `accuracy` is that of both orders combined, ties counting half; `one_order` that of a single reading,
    averaged over both; `kappa` Cohen's, with a tie as a third answer that people never give. `ties` counts
    pairs.
    """

    accuracy: Estimate
    one_order: Estimate | None
    kappa: Estimate
    ties: int
    by_kind: Mapping[str, Kind]


def sign(log_odds: float) -> float:
    """1 for the people's choice, 0 for the other, one half for neither."""
    return 1.0 if log_odds > 0 else 0.0 if log_odds < 0 else TIE


def score(opinion: Opinion, tie_margin: float = 0.0) -> float | None:
    """1, 0, or one half where the probability is within the margin of one half; None where it is missing."""
    if opinion.probability is None:
        return None
    lead = opinion.probability - 0.5
    return TIE if abs(lead) <= tie_margin else sign(lead)


def usable(opinions: Sequence[Opinion]) -> list[Opinion]:
    return [one for one in opinions if one.probability is not None]


def clusters_of(opinions: Sequence[Opinion]) -> Clusters:
    return Clusters.of([one.cluster for one in opinions])


def unparsed(opinions: Sequence[Opinion]) -> Estimate:
    """The share of opinions that could not be used. `ValueError` where there are none at all."""
    return share([one.probability is None for one in opinions], clusters_of(opinions))


def accuracy(opinions: Sequence[Opinion], *, tie_margin: float = 0.0) -> Estimate:
    """The mean score of the usable opinions. `ValueError` where there are none."""
    return share(_scores(opinions, tie_margin), clusters_of(usable(opinions)))


def one_order(opinions: Sequence[Opinion]) -> Estimate | None:
    """Accuracy of a single reading: the mean over both orders. None where no pair was read in both."""
    read = [one for one in opinions if one.chosen_first is not None and one.chosen_second is not None]
    if not read:
        return None
    scores = [(sign(one.chosen_first or 0.0) + sign(one.chosen_second or 0.0)) / 2 for one in read]
    return share(scores, clusters_of(read))


def kappa(opinions: Sequence[Opinion], *, tie_margin: float = 0.0) -> Estimate:
    """Cohen's kappa of a forced choice whose order of naming is arbitrary.

    "Chosen" is a name that people gave afterwards, so each pair enters the table twice, once named each
    way. People's marginals are then one half and one half, the judge's (1 - t) / 2, (1 - t) / 2 and t, with
    t its share of ties; observed agreement is the share it gets right outright, r, and the expected one (1
    - t) / 2. So kappa = (r - (1 - t) / 2) / ((1 + t) / 2): 2 * accuracy - 1 without ties, and 0 for a
    constant answer, for a coin, and for nothing but ties.

    That is the mean of +1 (right), -1 (wrong) and 0 (tie) in which a tie weighs double, so its interval is
    that of a weighted share, stretched from 0 and 1 to -1 and 1.
    """
    scores = _scores(opinions, tie_margin)
    half = share(scores, clusters_of(usable(opinions)), [2.0 if one == TIE else 1.0 for one in scores])
    return stretched(half)


def stretched(half: Estimate) -> Estimate:
    """An estimate in 0 to 1 as one in -1 to 1."""
    value, low, high = (2 * one - 1 for one in (half.value, half.low, half.high))
    return Estimate(value, low, high, half.n, half.clusters, 2 * half.error, half.df)


def agreement(opinions: Sequence[Opinion], *, tie_margin: float = 0.0) -> Agreement:
    """All of it. `ValueError` where no opinion can be used."""
    kinds: dict[str, list[Opinion]] = {}
    for one in opinions:
        kinds.setdefault(one.kind, []).append(one)
    return Agreement(
        accuracy=accuracy(opinions, tie_margin=tie_margin),
        one_order=one_order(opinions),
        kappa=kappa(opinions, tie_margin=tie_margin),
        ties=_scores(opinions, tie_margin).count(TIE),
        by_kind={name: _kind(ones, tie_margin) for name, ones in sorted(kinds.items())},
    )


def _kind(opinions: Sequence[Opinion], tie_margin: float) -> Kind:
    parsed = len(usable(opinions))
    figure = accuracy(opinions, tie_margin=tie_margin) if parsed else None
    return Kind(len(opinions), len(opinions) - parsed, figure)


def _scores(opinions: Sequence[Opinion], tie_margin: float) -> list[float]:
    return [one for one in (score(opinion, tie_margin) for opinion in opinions) if one is not None]
