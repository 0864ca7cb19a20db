"""A figure with its uncertainty: what every measure of an audit hands to the report and to the verdict.

`clustered.py` makes them out of pairs; `verdict.py` asks them how surely they lie on one side of a limit.
"""

import math
from dataclasses import dataclass
from functools import lru_cache

LEVEL = 0.95


@dataclass(frozen=True, slots=True)
class Estimate:
    """A value with its 95 % interval, over `n` pairs in `clusters` prompts.

    `error` is the standard error, `df` the degrees of freedom of its t distribution. A share in 0 to 1 also
    has `effective`: how many independent pairs would tell as much (the design effect is n / effective).
    """

    value: float
    low: float
    high: float
    n: int
    clusters: int
    error: float
    df: float
    effective: float | None = None

    def p_at_least(self, limit: float) -> float:
        """One-sided p-value of "the truth is `limit` or more": small where the figure lies surely below."""
        return t_tail(-self._distance(limit), self.df)

    def p_at_most(self, limit: float) -> float:
        """One-sided p-value of "the truth is `limit` or less": small where the figure lies surely above."""
        return t_tail(self._distance(limit), self.df)

    def _distance(self, limit: float) -> float:
        """From the limit to the value in standard errors; a share's error is the one that the limit would
        have.
        """
        error = self.error
        if self.effective is not None:
            error = math.sqrt(max(limit * (1 - limit), 0.0) / self.effective)
        if error == 0:
            return math.copysign(math.inf, self.value - limit) if self.value != limit else 0.0
        return (self.value - limit) / error


def percent(share: Estimate) -> str:
    """A share with its interval, in words."""
    return f"{100 * share.value:.1f} % ({100 * share.low:.1f} to {100 * share.high:.1f})"


@dataclass(frozen=True, slots=True)
class Interval:
    """The two ends of an interval."""

    low: float
    high: float


def wilson(value: float, effective: float, df: float) -> Interval:
    """Wilson's score interval (Wilson 1927) of a share over `effective` independent pairs, with t for z."""
    t = t_quantile(0.5 + LEVEL / 2, df)
    weight = t * t / effective
    center = (value + weight / 2) / (1 + weight)
    half = t / (1 + weight) * math.sqrt(max(value * (1 - value), 0.0) / effective + weight / (4 * effective))
    low = 0.0 if value <= 0 else max(0.0, center - half)
    high = 1.0 if value >= 1 else min(1.0, center + half)
    return Interval(low, high)


def t_interval(value: float, error: float, df: float) -> Interval:
    """Value plus and minus the t distribution's 97.5 % point times the error."""
    half = t_quantile(0.5 + LEVEL / 2, df) * error
    return Interval(value - half, value + half)


_STEPS = 60


def t_tail(t: float, df: float) -> float:
    """P(T > t) of Student's distribution, by Simpson's rule over the angle atan(t / sqrt(df)).

    T = sqrt(df) tan(a) turns the density into a multiple of cos(a) ** (df - 1), which is smooth and bounded.
    """
    if math.isinf(t):
        return 0.0 if t > 0 else 1.0
    scale = math.exp(math.lgamma((df + 1) / 2) - math.lgamma(df / 2)) / math.sqrt(math.pi)
    end = math.atan(abs(t) / math.sqrt(df))
    # 40 errors of a normal distribution are as good as infinity, and keep the steps narrow.
    end = min(end, math.atan(40 / math.sqrt(df)) if df > 100 else end)
    step = end / _STEPS
    weights = (1.0 if at in (0, _STEPS) else 4.0 if at % 2 else 2.0 for at in range(_STEPS + 1))
    area = sum(weight * math.cos(at * step) ** (df - 1) for at, weight in enumerate(weights)) * step / 3
    half = min(scale * area, 0.5)
    return 0.5 - half if t > 0 else 0.5 + half


@lru_cache(maxsize=4096)
def t_quantile(probability: float, df: float) -> float:
    """The point below which `probability` (above one half) of Student's distribution lies, by bisection."""
    low, high = 0.0, 1.0
    while t_tail(high, df) > 1 - probability:
        low, high = high, high * 2
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (middle, high) if t_tail(middle, df) > 1 - probability else (low, middle)
    return (low + high) / 2
