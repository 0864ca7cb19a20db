"""Who is preferred: a judge's verdicts on pairs of answers come in, win rates with intervals go out.

Two rates, as AlpacaEval 2 reports them (Dubois et al. 2024, arXiv:2404.04475): the plain one, the mean of the
verdicts with a tie as half a win; and the length-controlled one, what it would be if both answers were
equally long.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from evaluation.figures.verdicts import model_of_verdicts
from evaluation.model import Comparison
from labeling.audit.clustered import Clusters, Numbers, share
from labeling.audit.estimate import Estimate
from labeling.audit.logit import sigmoid


@dataclass(frozen=True, slots=True)
class Wins:
    """A model against another one, in the eyes of one judge.

    `rate` is the mean of the points (win 1, tie or identical answers 1/2, loss 0); `preference` the mean of
    the judge's probabilities; `length_controlled` the rate at equal lengths, and None where lengths never
    differ or there are too few verdicts to tell. `slope` is what length does to the judge: log-odds for each
    standard deviation of the difference in length. `silent` counts pairs that no verdict could be read of,
    `consistency` is the share of read pairs whose two orders name the same answer.
    """

    rate: Estimate
    preference: Estimate
    length_controlled: Estimate | None
    slope: Estimate | None
    consistency: Estimate | None
    pairs: int
    silent: int


def wins(comparisons: Sequence[Comparison]) -> Wins | None:
    """None where no verdict could be read."""
    read = [one for one in comparisons if one.points is not None]
    if not read:
        return None
    clusters = Clusters.of([one.id for one in read])
    points = np.array([one.points for one in read], float)
    controlled, slope = _at_equal_length(read, points, clusters)
    both = [one for one in read if one.forward is not None and one.backward is not None]
    return Wins(
        rate=share(points, clusters),
        preference=share([_preference(one) for one in read], clusters),
        length_controlled=controlled,
        slope=slope,
        consistency=_share_of([one.consistent for one in both], both),
        pairs=len(comparisons),
        silent=len(comparisons) - len(read),
    )


def _preference(comparison: Comparison) -> float:
    return 0.5 if comparison.probability is None else comparison.probability


def _share_of(values: Sequence[bool], comparisons: Sequence[Comparison]) -> Estimate | None:
    return share(values, Clusters.of([one.id for one in comparisons])) if comparisons else None


_FEWEST = 10
"""Below so many prompts a logistic model with two coefficients says nothing."""


def _at_equal_length(
    read: Sequence[Comparison], points: Numbers, clusters: Clusters
) -> tuple[Estimate | None, Estimate | None]:
    """P(win) = sigmoid(a + b * tanh(difference / its deviation)), so sigmoid(a) at equal lengths.

    AlpacaEval 2's model with its two terms of the model and of length. Its third one, the instruction's own
    difficulty, needs the same instructions under many models and is left out. The hyperbolic tangent keeps a
    runaway answer from deciding the slope.
    """
    longer = np.array([one.words - one.words_against for one in read], float)
    spread = float(longer.std())
    if spread == 0 or clusters.count < _FEWEST:
        return None, None
    features = np.column_stack([np.ones(len(read)), np.tanh(longer / spread)])
    level, slope = model_of_verdicts(features, points, clusters)
    low, value, high = (float(sigmoid(np.array(at))) for at in (level.low, level.value, level.high))
    error = value * (1 - value) * level.error
    return replace(level, value=value, low=low, high=high, error=error), slope
