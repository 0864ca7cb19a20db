"""What leaving doubtful pairs as ties gains: P(chosen) comes in, accuracy against coverage goes out."""

from dataclasses import dataclass

import numpy as np

from labeling.audit.clustered import Clusters, Numbers, Places, bounded
from labeling.audit.estimate import Estimate

POINTS = 50
DRAWS = 1000


@dataclass(frozen=True, slots=True)
class Kept:
    """With pairs below `confidence` left as ties, `coverage` of all pairs remain, and `accuracy` of these
    are right.
    """

    confidence: float
    coverage: float
    accuracy: float


@dataclass(frozen=True, slots=True)
class Abstention:
    """`curve` by falling confidence; `area` is the mean accuracy over all coverages.

    A judge whose confidence says nothing has an area equal to its accuracy. One minus the area is the area
    under the risk-coverage curve (Geifman and El-Yaniv 2017).
    """

    curve: tuple[Kept, ...]
    area: Estimate


def abstention(
    probabilities: Numbers, clusters: Clusters, *, seed: int = 0, draws: int = DRAWS
) -> Abstention:
    """Of P(chosen), one number in 0 to 1 a pair, at least one pair; the area's interval is a cluster
    bootstrap's.
    """
    # Rounded, so that 0.8 and 0.2 are equally sure in floating point as well.
    lead = np.round(np.abs(probabilities - 0.5), 12)
    order = np.argsort(-lead, kind="stable")
    confidence = 0.5 + lead[order]
    right = ((np.sign(probabilities - 0.5) + 1) / 2)[order]
    ends = np.flatnonzero(np.append(np.diff(confidence) != 0, True))
    weights = np.ones((1, len(right)))
    area = float(_areas(weights, right, ends)[0])
    samples = clusters.resamples(draws, seed)[:, clusters.codes[order]]
    wider = clusters.count / max(clusters.count - 1, 1)
    variance = wider * float(_areas(samples, right, ends).var(ddof=1))
    estimate = bounded(area, variance, clusters, np.ones(len(right)))
    return Abstention(_curve(confidence, right, ends), estimate)


def _curve(confidence: Numbers, right: Numbers, ends: Places) -> tuple[Kept, ...]:
    """At most so many points, the last of which keeps every pair."""
    some = np.unique(np.linspace(0, len(ends) - 1, POINTS).round().astype(int))
    accuracy = np.cumsum(right)
    return tuple(
        Kept(float(confidence[at]), (at + 1) / len(right), float(accuracy[at]) / (at + 1))
        for at in ends[some].tolist()
    )


def _areas(weights: Numbers, right: Numbers, ends: Places) -> Numbers:
    """Samples x pairs of weights, by falling confidence: each sample's mean accuracy over coverage.

    Pairs of one confidence are kept or left together, so only the `ends` of such groups are points. The curve
    is straight between them and level before the first.
    """
    kept = np.cumsum(weights, axis=1)[:, ends]
    correct = np.cumsum(weights * right, axis=1)[:, ends]
    accuracy = correct / np.maximum(kept, 1e-300)
    before = np.concatenate([accuracy[:, :1], accuracy[:, :-1]], axis=1)
    # A sample without any of the most confident pairs has no accuracy yet at their place.
    started = np.concatenate([np.zeros((len(kept), 1)), kept[:, :-1]], axis=1) > 0
    heights = np.where(started, (accuracy + before) / 2, accuracy)
    widths = np.diff(kept, axis=1, prepend=0.0)
    return (heights * widths).sum(axis=1) / kept[:, -1]
