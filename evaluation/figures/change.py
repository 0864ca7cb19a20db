"""A share before and after, on the same prompts: two lists of answers come in, a difference goes out.

Every answer stands beside the base's to the same prompt in the same run. Several runs' answers to one prompt
are one cluster: they tell less than answers to as many prompts.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike

from labeling.audit.clustered import Clusters, Numbers, share
from labeling.audit.estimate import Estimate
from labeling.audit.holm import adjusted

_SURE = 0.05
_EXACT_LIMIT = 200_000
"""So many steps of the exact test at most; beyond them the normal distribution is as good."""


@dataclass(frozen=True, slots=True)
class Change:
    """After minus before, with its 95 % interval, over `n` pairs of answers to `clusters` prompts.

    `p` is the two-sided p-value of "no change": of the exact sign-flip test, in which a prompt's two answers
    could as well stand the other way round (with one answer a prompt, McNemar's exact test). `adjusted` is
    the same where several were looked at (Holm); equal to `p` where one was.
    """

    value: float
    low: float
    high: float
    n: int
    clusters: int
    p: float
    adjusted: float

    @property
    def sure(self) -> bool:
        """Whether it can be told from none: by its interval, and by its p-value among those looked at."""
        return not self.includes_zero and self.adjusted <= _SURE

    @property
    def includes_zero(self) -> bool:
        return self.low <= 0 <= self.high


def change(before: Sequence[float], after: Sequence[float], prompts: Sequence[str]) -> Change:
    """After minus before, position by position; scores in 0 to 1, and the name of the prompt of each.

    The interval adds the squared distances of both shares' own intervals and takes off what they have in
    common (Newcombe 1998, Statistics in Medicine 17, method 10; for intervals of any kind Zou and Donner
    2008). Unlike a bootstrap's, it has width where nothing changed.

    Raises:
        ValueError: the lists differ in length, or there is nothing in them.
    """
    if not len(before) == len(after) == len(prompts):
        raise ValueError(
            f"{len(before)} answers before and {len(after)} after to {len(prompts)} prompts: a change is "
            "measured on the same prompts"
        )
    clusters = Clusters.of(prompts)
    first, second = share(after, clusters), share(before, clusters)
    value, in_common = first.value - second.value, _correlation(before, after, clusters)
    below = _distance(first.value - first.low, second.high - second.value, in_common)
    above = _distance(first.high - first.value, second.value - second.low, in_common)
    p = sign_flip(clusters.total(np.subtract(after, before)))
    return Change(
        value, max(-1.0, value - below), min(1.0, value + above), len(after), clusters.count, p, adjusted=p
    )


def _distance(one: float, other: float, in_common: float) -> float:
    return math.sqrt(max(0.0, one**2 - 2 * in_common * one * other + other**2))


def _correlation(before: ArrayLike, after: ArrayLike, clusters: Clusters) -> float:
    """Between the two shares, over prompts; half an answer is taken off a positive one, as Newcombe does."""
    counts = clusters.total(np.ones(len(clusters)))
    one, other = (_deviations(scores, counts, clusters) for scores in (before, after))
    size = math.sqrt(float(one @ one) * float(other @ other))
    product = float(one @ other)
    if size == 0:
        return 0.0
    corrected = max(product - float((counts**2).mean()) / 2, 0.0) if product > 0 else product
    return max(-1.0, min(1.0, corrected / size))


def _deviations(scores: ArrayLike, counts: Numbers, clusters: Clusters) -> Numbers:
    numbers = np.asarray(scores, float)
    return clusters.total(numbers) - counts * numbers.mean()


def sign_flip(differences: ArrayLike) -> float:
    """Two-sided p-value of differences that could as well have the other sign, each by itself.

    Exact for whole and half numbers, by adding one prompt after the other to the distribution of the sum.
    """
    steps = np.abs(np.rint(2 * np.asarray(differences, float))).astype(int)
    seen = abs(int(np.rint(2 * np.asarray(differences, float)).sum()))
    steps = steps[steps > 0]
    if not len(steps):
        return 1.0
    total = int(steps.sum())
    if total * len(steps) > _EXACT_LIMIT:
        return math.erfc((seen - 1) / math.sqrt(2 * float((steps**2).sum()))) if seen > 1 else 1.0
    chances = np.zeros(2 * total + 1)
    chances[total] = 1.0
    for step in steps:
        chances = (np.roll(chances, step) + np.roll(chances, -step)) / 2
    sums = np.abs(np.arange(-total, total + 1))
    return min(1.0, float(chances[sums >= seen].sum()))


def all_at_once(changes: Sequence[Change]) -> tuple[Change, ...]:
    """The same changes, their p-values adjusted for being looked at together (Holm 1979)."""
    ps = adjusted([one.p for one in changes])
    return tuple(replace(one, adjusted=p) for one, p in zip(changes, ps, strict=True))


def estimate_of(scores: ArrayLike, prompts: Sequence[str]) -> Estimate:
    """A share of answers with its interval over prompts."""
    return share(scores, Clusters.of(prompts))
