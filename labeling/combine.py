"""From readings to a probability, from votes to a verdict: numbers in, numbers out, nobody is asked.

Both orders of a vote, and then all votes, are combined by one of two rules. The mean of the probabilities is
RLAIF's (Lee et al. 2023). The mean of the log-odds cancels whatever a judge adds to the log-odds of the
response that is shown first, exactly.
"""

import math
from collections.abc import Sequence
from statistics import fmean

from labeling.model import NO_PREFERENCE, Judgment, Reading, Verdict, Vote, orders_agree
from labeling.settings import Combine, LabelingSettings

SURE = 16.0
"""The most that a vote counts for in log-odds, in nats: 1 in 9 million. A float near 1 is too coarse for
more, and one near 0 is not, so that without it a pair and the swapped one would not come out alike."""


def combined(forward: Reading, backward: Reading, settings: LabelingSettings) -> float | None:
    """P(first is better) from both orders; None where one cannot be read or holds too little label mass.

    A judge that was held to the labels has no known mass, and its answers count.
    """
    if not _counts(forward, settings) or not _counts(backward, settings):
        return None
    if forward.logit is None or backward.logit is None:
        return None
    if settings.combine == "mean_probability":
        return (sigmoid(forward.logit) + sigmoid(-backward.logit)) / 2
    return sigmoid((forward.logit - backward.logit) / 2)


def elected(votes: Sequence[Vote], rule: Combine) -> float | None:
    """P(first is better) from the votes that count, all of one weight; None where none does."""
    probabilities = [vote.probability for vote in votes if vote.probability is not None]
    if not probabilities:
        return None
    if rule == "mean_probability" or len(probabilities) == 1:
        return fmean(probabilities)
    return sigmoid(fmean(log_odds(probability) for probability in probabilities))


def clamped(probability: float | None, limits: tuple[float, float]) -> float | None:
    """The probability, moved to the nearest of the limits if it lies outside of them."""
    low, high = limits
    return None if probability is None else min(max(probability, low), high)


def verdict(votes: Sequence[Vote], probability: float | None, settings: LabelingSettings) -> Verdict:
    """Who won. Ties, refusals and unparsed judgments never become labels."""
    if probability is None:
        refused = any(reading.refused for vote in votes for reading in (vote.forward, vote.backward))
        return "refused" if refused else "unparsed"
    split = settings.require_agreement and not orders_agree(votes)
    if split or abs(probability - 0.5) <= max(settings.tie_margin, NO_PREFERENCE):
        return "tie"
    return "first" if probability > 0.5 else "second"


def without_label(judgment: Judgment, settings: LabelingSettings) -> str:
    """Why a judgment without a winner has none, in the words of a card."""
    if judgment.verdict != "tie" or judgment.probability is None:
        return judgment.verdict
    if settings.require_agreement and not judgment.agree:
        return "orders disagree"
    return "low margin" if abs(judgment.probability - 0.5) > NO_PREFERENCE else "tie"


def sigmoid(x: float) -> float:
    """1 / (1 + exp(-x)), without overflow."""
    return 1 / (1 + math.exp(-x)) if x >= 0 else math.exp(x) / (1 + math.exp(x))


def log_odds(probability: float) -> float:
    """The logarithm of p / (1 - p), at most `SURE` either way."""
    if probability in (0.0, 1.0):
        return math.copysign(SURE, probability - 0.5)
    return min(max(math.log(probability) - math.log1p(-probability), -SURE), SURE)


def _counts(reading: Reading, settings: LabelingSettings) -> bool:
    known = reading.mass is None or reading.mass >= settings.min_label_mass
    return known and not reading.refused
