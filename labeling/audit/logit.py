"""Logistic regression over pairs, with intervals clustered by prompt: for lengths and for calibration.

Pairs are named in the order (chosen, rejected), which says nothing about them, so there is no intercept: a
pair that is named the other way round has the features with the other sign and the outcome's opposite, and
gives the same likelihood.
"""

import numpy as np

from labeling.audit.clustered import Clusters, Numbers
from labeling.audit.estimate import Estimate, t_interval

_ROUNDS = 100
_LONGEST_STEP = 2.0
_CLOSE = 1e-10


def sigmoid(log_odds: Numbers) -> Numbers:
    small = np.exp(-np.abs(log_odds))
    return np.where(log_odds >= 0, 1 / (1 + small), small / (1 + small))


def fit(features: Numbers, outcomes: Numbers) -> Numbers:
    """Coefficients of P(outcome) = sigmoid(features @ coefficients); features n x k, outcomes in 0 to 1.

    Firth's penalised likelihood (Firth 1993; Heinze and Schemper 2002): less biased in small samples, and
    finite where the features tell the outcomes apart without a mistake.
    """
    beta = np.zeros(features.shape[1])
    for _ in range(_ROUNDS):
        expected = sigmoid(features @ beta)
        spread = expected * (1 - expected)
        inverse = _inverse(features.T @ (features * spread[:, None]))
        leverage = spread * np.einsum("ni,ij,nj->n", features, inverse, features)
        step = inverse @ (features.T @ (outcomes - expected + leverage * (0.5 - expected)))
        longest = float(np.abs(step).max())
        beta = beta + step * min(1.0, _LONGEST_STEP / max(longest, _CLOSE))
        if longest < _CLOSE:
            break
    return beta


def regression(features: Numbers, outcomes: Numbers, clusters: Clusters) -> tuple[Estimate, ...]:
    """Each coefficient of `fit` with a t interval from the one-step cluster jackknife ("CR3")."""
    beta, df = fit(features, outcomes), clusters.df(np.ones(len(features)))
    expected = sigmoid(features @ beta)
    spread = expected * (1 - expected)
    scores = clusters.total(features * (outcomes - expected)[:, None])
    shares = clusters.total(features[:, :, None] * features[:, None, :] * spread[:, None, None])
    moves = np.einsum("gij,gj->gi", _inverse(shares.sum(axis=0) - shares), scores)
    covariance = (clusters.count - 1) / clusters.count * (moves.T @ moves)
    return tuple(
        _estimate(float(value), float(np.sqrt(variance)), df, clusters)
        for value, variance in zip(beta, np.diag(covariance), strict=True)
    )


def _estimate(value: float, error: float, df: float, clusters: Clusters) -> Estimate:
    ends = t_interval(value, error, df)
    return Estimate(value, ends.low, ends.high, len(clusters), clusters.count, error, df)


def _inverse(information: Numbers) -> Numbers:
    """The pseudo-inverse, of one matrix or many: a feature that never varies gets the coefficient 0."""
    return np.linalg.pinv(information, hermitian=True)
