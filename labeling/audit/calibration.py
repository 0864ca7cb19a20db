"""Whether a judge's probabilities mean what they say: probabilities of the people's choice come in, errors
go out.

All is symmetric under renaming. A pair's order of naming says nothing about it, yet here people's choice is
always named first, so whatever treats P(chosen) as a plain forecast of 1 would learn that name. So each
pair stands for both of its namings, p with outcome 1 and 1 - p with outcome 0: bins are read off the
confidence max(p, 1 - p) in one half to 1, and whether the confident side is right.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from labeling.audit.clustered import Clusters, Numbers, Places, positive, share
from labeling.audit.estimate import Estimate, t_quantile
from labeling.audit.logit import regression, sigmoid

BINS = 5
DRAWS = 1000
_EDGE = 1e-12
_TOWARDS_UNCORRECTED = 0.25
_DOUBLINGS = 12
"""Steps that are taken to look for an interval's end: 4,000 standard errors are far enough."""


@dataclass(frozen=True, slots=True)
class Bin:
    """One point of the reliability diagram: `low` to `high` in confidence, mean confidence, share right."""

    low: float
    high: float
    n: int
    confidence: float
    right: float


@dataclass(frozen=True, slots=True)
class Calibration:
    """The errors of a set of probabilities.

    `ece` is the expected calibration error over bins of equal width, corrected for what chance alone adds
    to it; `ece_plain` the same uncorrected, as papers print it; `ece_mass` uncorrected over bins of equal
    numbers. `brier` is the mean of (1 - p) squared, `log_loss` that of -log p, in nats. `bins` are those of
    equal width.
    """

    ece: Estimate
    ece_plain: float
    ece_mass: float
    brier: Estimate
    log_loss: Estimate
    bins: tuple[Bin, ...]


def calibration(probabilities: Numbers, clusters: Clusters, *, seed: int = 0) -> Calibration:
    """Errors of P(chosen), one number in 0 to 1 a pair, at least one pair."""
    wide, even = equal_width(), equal_mass(probabilities)
    losses = -np.log(np.clip(probabilities, _EDGE, 1))
    return Calibration(
        ece=ece(probabilities, clusters, seed=seed),
        ece_plain=plain_ece(probabilities, wide),
        ece_mass=plain_ece(probabilities, even),
        brier=share((1 - probabilities) ** 2, clusters),
        log_loss=positive(losses, clusters),
        bins=reliability(probabilities, wide),
    )


def log_odds(probabilities: Numbers) -> Numbers:
    """In nats; certainty is taken for 27.6, so that it stays a number."""
    inside = np.clip(probabilities, _EDGE, 1 - _EDGE)
    return np.log(inside) - np.log1p(-inside)


def slope(probabilities: Numbers, clusters: Clusters) -> Estimate:
    """The coefficient of the judge's log-odds in a logistic regression of people's choice on them (Cox 1958).

    1 is calibrated, below 1 too sure of itself, 0 knows nothing; its inverse is the best temperature. The
    interval holds the coefficients that a score test over prompts does not refuse (Rao 1948; Boos 1992): a
    coefficient's estimate is skewed, and one that is as far above it as below ends too low.
    """
    raw = log_odds(probabilities)
    (found,) = regression(raw[:, None], np.ones(len(probabilities)), clusters)
    limit = t_quantile(0.975, found.df)

    def tested(coefficient: float) -> float:
        scores = clusters.total(raw * sigmoid(-coefficient * raw))
        length = float(np.sqrt((scores**2).sum()))
        return float(scores.sum()) / length if length > 0 else 0.0

    low = _refused_from(found.value, -found.error, lambda at: tested(at) > limit)
    high = _refused_from(found.value, found.error, lambda at: tested(at) < -limit)
    return replace(found, low=found.low if low is None else low, high=found.high if high is None else high)


def _refused_from(start: float, step: float, is_refused: Callable[[float], bool]) -> float | None:
    """Where refusal begins on the way from `start` in steps that double; None where it never does.

    None, too, where `start` itself is refused: so is every finite coefficient of a judge without a mistake.
    """
    inside, outside = start, start + step
    if is_refused(start):
        return None
    for _ in range(_DOUBLINGS):
        if is_refused(outside):
            break
        inside, outside, step = outside, outside + 2 * step, 2 * step
    else:
        return None
    for _ in range(40):
        middle = (inside + outside) / 2
        inside, outside = (inside, middle) if is_refused(middle) else (middle, outside)
    return inside


def equal_width(bins: int = BINS) -> Numbers:
    """Edges of the bins of confidence: as many as twice that number over 0 to 1, folded at one half."""
    return np.linspace(0.5, 1.0, bins + 1)


def equal_mass(probabilities: Numbers, bins: int = BINS) -> Numbers:
    """Edges with as many pairs in each bin as equal confidences allow."""
    confidence, _ = _folded(probabilities)
    inner = np.quantile(confidence, np.linspace(0, 1, bins + 1)[1:-1])
    return np.concatenate([[0.5], inner, [1.0]])


def reliability(probabilities: Numbers, edges: Numbers) -> tuple[Bin, ...]:
    """The bins that hold pairs, by rising confidence."""
    confidence, right = _folded(probabilities)
    place = _places(confidence, edges)
    return tuple(
        Bin(float(edges[at]), float(edges[at + 1]), int(inside.sum()), *_means(confidence, right, inside))
        for at in range(len(edges) - 1)
        if (inside := place == at).any()
    )


def plain_ece(probabilities: Numbers, edges: Numbers) -> float:
    """The mean over pairs of their bin's |confidence - share right| (Guo et al. 2017, equation 3)."""
    return float(np.abs(_gaps(probabilities, edges).mean(axis=0)).sum())


def ece(probabilities: Numbers, clusters: Clusters, *, seed: int = 0, draws: int = DRAWS) -> Estimate:
    """The expected calibration error of equal-width bins, corrected, with an interval that may touch 0.

    The plain figure is above 0 by chance even for a perfectly calibrated judge, so neither it nor its
    bootstrap centres on the truth. Here the bins' gaps are scaled by a factor s, a cluster bootstrap adds
    their noise, and s is sought at which the plain figure seen would be the median (the value), the 97.5 %
    point (the interval's low end) or the 2.5 % point (its high end) of such sums: the inversion of a
    bootstrap test.

    The pattern of the gaps seen is more even than the true one, as it has chance in it, so that scaling it
    takes off too much at the high end. Where no bin is near zero there is nothing to take off, and the end
    would be higher (`_uncorrected`); a quarter of the way there makes both tails alike, as was found on 1,600
    simulated judges (docs/audit.md).
    """
    gaps = _gaps(probabilities, equal_width())
    centre, seen = gaps.mean(axis=0), float(np.abs(gaps.mean(axis=0)).sum())
    df = clusters.df(np.ones(len(probabilities)))
    # As wide as Student's distribution is beside the normal: the bootstrap knows nothing of few prompts.
    wider = t_quantile(0.975, df) / t_quantile(0.975, 1e6)
    noise = wider * _noise(gaps, clusters, draws=draws, seed=seed)
    low, value, high = (_scale_at(centre, noise, seen, at) * seen for at in (0.975, 0.5, 0.025))
    high += (_uncorrected(centre, noise, seen) - high) * _TOWARDS_UNCORRECTED
    error = float(np.abs(centre + noise).sum(axis=1).std(ddof=1))
    return Estimate(value, low, min(1.0, high), len(probabilities), clusters.count, error, df)


def _uncorrected(centre: Numbers, noise: Numbers, seen: float) -> float:
    """The high end, were every bin's gap so large that chance cannot turn its sign, and adds nothing."""
    return seen - float(np.quantile((np.sign(centre) * noise).sum(axis=1), 0.025))


def _noise(gaps: Numbers, clusters: Clusters, *, draws: int, seed: int) -> Numbers:
    """Draws x bins: how far the mean gaps of resampled prompts lie from those seen.

    A bin without a mistake would have no noise at all, so each is given at least that of two more right and
    two more wrong pairs (Agresti and Coull 1998).
    """
    counts, sizes = clusters.resamples(draws, seed), clusters.total(np.ones(len(clusters)))
    wider = np.sqrt(clusters.count / max(clusters.count - 1, 1))
    noise = wider * (counts @ clusters.total(gaps - gaps.mean(axis=0))) / (counts @ sizes)[:, None]
    missing = np.maximum(_least_variance(gaps) - noise.var(axis=0), 0)
    return noise + np.sqrt(missing) * np.random.default_rng(seed + 1).standard_normal(noise.shape)


def _least_variance(gaps: Numbers) -> Numbers:
    """Of each bin's mean gap over all pairs, were the pairs independent."""
    inside = (gaps != 0).sum(axis=0)
    wrong = (gaps > 0.5).sum(axis=0)
    likely = (wrong + 2) / (inside + 4)
    return likely * (1 - likely) * inside / len(gaps) ** 2 * (inside / (inside + 4))


def _scale_at(centre: Numbers, noise: Numbers, seen: float, quantile: float) -> float:
    """The factor of the gaps at which `seen` is that quantile of the noisy sums; 0 where none is small
    enough.
    """

    def excess(scale: float) -> float:
        return float(np.quantile(np.abs(scale * centre + noise).sum(axis=1), quantile)) - seen

    if seen == 0 or excess(0.0) >= 0:
        return 0.0
    low, high = 0.0, 1.0
    while excess(high) < 0:
        low, high = high, 2 * high
    for _ in range(20):
        middle = (low + high) / 2
        low, high = (middle, high) if excess(middle) < 0 else (low, middle)
    return (low + high) / 2


def _folded(probabilities: Numbers) -> tuple[Numbers, Numbers]:
    """Confidence, and 1 where the confident side is right; one half where there is none."""
    return np.maximum(probabilities, 1 - probabilities), (np.sign(probabilities - 0.5) + 1) / 2


def _places(confidence: Numbers, edges: Numbers) -> Places:
    return np.searchsorted(edges[1:-1], confidence, side="right")


def _gaps(probabilities: Numbers, edges: Numbers) -> Numbers:
    """Pairs x bins: confidence less right in the pair's own bin, 0 in all others. Column means add up to
    the ECE.
    """
    confidence, right = _folded(probabilities)
    gaps = np.zeros((len(probabilities), len(edges) - 1))
    gaps[np.arange(len(gaps)), _places(confidence, edges)] = confidence - right
    return gaps


def _means(confidence: Numbers, right: Numbers, inside: NDArray[np.bool_]) -> tuple[float, float]:
    return float(confidence[inside].mean()), float(right[inside].mean())
