"""A logistic model of a judge's verdicts: features and points come in, coefficients with intervals go out."""

from dataclasses import replace

import numpy as np

from labeling.audit.clustered import Clusters, Numbers
from labeling.audit.estimate import Estimate, t_interval
from labeling.audit.logit import regression, sigmoid


def model_of_verdicts(features: Numbers, points: Numbers, clusters: Clusters) -> tuple[Estimate, ...]:
    """Each coefficient of P(win) = sigmoid(features @ coefficients), in nats.

    Firth's penalised likelihood, finite where one side has won everything, with intervals from the cluster
    jackknife over prompts, and never narrower than as many independent verdicts allow: where the features
    tell every verdict, nothing is left over for a jackknife to see. A tie is no toss and adds nothing there.
    """
    found = regression(features, points, clusters)
    expected = sigmoid(features @ np.array([one.value for one in found]))
    information = features.T @ (features * (expected * (1 - expected))[:, None])
    decided = float(np.abs(2 * points - 1).mean())
    least = np.sqrt(decided * np.diag(np.linalg.pinv(information, hermitian=True)))
    return tuple(_at_least(one, float(error)) for one, error in zip(found, least, strict=True))


def _at_least(found: Estimate, error: float) -> Estimate:
    wider = max(found.error, error)
    ends = t_interval(found.value, wider, found.df)
    return replace(found, low=ends.low, high=ends.high, error=wider)
