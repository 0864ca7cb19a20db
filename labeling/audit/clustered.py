"""Intervals for pairs that share prompts: numbers, one a pair, and the names of their prompts come in.

Two pairs of one prompt tell less than two of different prompts, so all variances here are between prompts:
what a figure would be with one prompt left out (the cluster jackknife, "CR3"), which stays honest where
prompts are few or of uneven size (MacKinnon, Nielsen and Webb 2023). Shares then take Wilson's interval at
the number of independent pairs that would have that variance, since a percentile or BCa bootstrap has no
width at all where the judge makes no mistake; `docs/audit.md` has the coverage of both.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

from labeling.audit.estimate import Estimate, t_interval, wilson

Numbers = NDArray[np.floating]
Places = NDArray[np.intp]


@dataclass(frozen=True)
class Clusters:
    """Which pair belongs to which prompt: a number from 0 to `count` - 1 for each pair."""

    codes: Places
    count: int

    @classmethod
    def of(cls, names: Sequence[str]) -> "Clusters":
        if not names:
            raise ValueError("a figure needs at least one pair")
        _, codes = np.unique(np.asarray(names), return_inverse=True)
        return cls(codes, int(codes.max()) + 1)

    def __len__(self) -> int:
        return len(self.codes)

    def total(self, values: Numbers) -> Numbers:
        """Sums over each prompt; of a matrix, row by row."""
        if values.ndim == 1:
            return np.bincount(self.codes, values, minlength=self.count).astype(float)
        columns = [self.total(column) for column in values.reshape(len(values), -1).T]
        return np.stack(columns, axis=1).reshape(self.count, *values.shape[1:])

    @cached_property
    def singles(self) -> "Clusters":
        """Each pair on its own."""
        return Clusters(np.arange(len(self)), len(self))

    def kish(self, weights: Numbers) -> float:
        """The number of equally heavy prompts that would tell as much (Kish 1965)."""
        totals = self.total(weights)
        return float(totals.sum() ** 2 / (totals**2).sum())

    def df(self, weights: Numbers) -> float:
        """Kish's number of prompts less one, and one at least."""
        return max(1.0, self.kish(weights) - 1)

    def resamples(self, draws: int, seed: int) -> Numbers:
        """How often each prompt occurs in each bootstrap sample of prompts: draws x count."""
        return _resamples(self.count, draws, seed)


@lru_cache(maxsize=1)
def _resamples(count: int, draws: int, seed: int) -> Numbers:
    """Kept, since several figures of one audit ask for the same samples."""
    generator = np.random.default_rng(seed)
    return generator.multinomial(count, np.full(count, 1 / count), size=draws).astype(float)


def mean(values: ArrayLike, clusters: Clusters) -> Estimate:
    """The mean of one number a pair, with a t interval from the cluster jackknife.

    `ValueError` where all pairs share one prompt: nothing then tells how much prompts differ.
    """
    if clusters.count < 2:
        raise ValueError("all pairs share one prompt: an interval needs pairs of two prompts or more")
    numbers = np.asarray(values, float)
    value, weights = float(numbers.mean()), np.ones(len(numbers))
    error, df = float(np.sqrt(_variance(numbers, weights, clusters))), clusters.df(weights)
    ends = t_interval(value, error, df)
    return Estimate(value, ends.low, ends.high, len(numbers), clusters.count, error, df)


def share(scores: ArrayLike, clusters: Clusters, weights: ArrayLike | None = None) -> Estimate:
    """The weighted mean of scores in 0 to 1, with Wilson's interval at the effective number of pairs.

    The variance is the greater of that between prompts and that between pairs: pairs of one prompt
    are never taken to tell more than strangers would.
    """
    numbers = np.asarray(scores, float)
    heavy = np.ones(len(numbers)) if weights is None else np.asarray(weights, float)
    variance = max(_variance(numbers, heavy, clusters), _variance(numbers, heavy, clusters.singles))
    value = float(np.average(numbers, weights=heavy))
    return bounded(value, variance, clusters, heavy)


def bounded(value: float, variance: float, clusters: Clusters, weights: Numbers) -> Estimate:
    """A figure in 0 to 1 of known variance, with Wilson's interval.

    Where no pair differs from another, nothing can be learnt of their variance: each prompt then counts as
    one independent pair. So does the one prompt, where there is no other.
    """
    known = clusters.count > 1 and variance > 0 and 0 < value < 1
    effective = value * (1 - value) / variance if known else clusters.kish(weights)
    df, error = clusters.df(weights), float(np.sqrt(variance))
    ends = wilson(value, effective, df)
    return Estimate(value, ends.low, ends.high, len(clusters), clusters.count, error, df, effective)


def positive(values: ArrayLike, clusters: Clusters) -> Estimate:
    """The mean of numbers that are never negative, as `mean`, with an interval of its logarithm: it is
    skewed.
    """
    plain = mean(values, clusters)
    if plain.value == 0:
        return plain
    ends = t_interval(0.0, plain.error / plain.value, plain.df)
    low, high = (plain.value * float(np.exp(end)) for end in (ends.low, ends.high))
    return replace(plain, low=low, high=high)


def _variance(values: Numbers, weights: Numbers, clusters: Clusters) -> float:
    """Of a weighted mean: the jackknife over prompts, in closed form; 0 where there is only one prompt."""
    if clusters.count == 1:
        return 0.0
    residuals = clusters.total(weights * (values - np.average(values, weights=weights)))
    rest = weights.sum() - clusters.total(weights)
    return float((clusters.count - 1) / clusters.count * ((residuals / rest) ** 2).sum())
