"""A linear model of a yes or no: named numbers in, log-odds out; and how it is fitted.

Small, and plain data: a name and a weight for each feature. Fitting is penalised maximum likelihood, which
has one answer whatever it begins from.
"""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydantic import TypeAdapter

Features = Mapping[str, float]

_DIGITS = 3
_LEAST = 0.01


@dataclass(frozen=True, slots=True)
class Linear:
    """log P(yes) - log P(no) = bias + the sum of weight times feature; unknown features count nothing."""

    bias: float
    weights: Mapping[str, float]

    def log_odds(self, features: Features) -> float:
        return self.bias + math.fsum(
            self.weights[name] * value for name, value in features.items() if name in self.weights
        )

    def probability(self, features: Features) -> float:
        log_odds = self.log_odds(features)
        if log_odds >= 0:
            return 1 / (1 + math.exp(-log_odds))
        return math.exp(log_odds) / (1 + math.exp(log_odds))


@dataclass(frozen=True, slots=True)
class Case:
    """One thing to learn from; it counts `weight` times."""

    features: Features
    answer: bool
    weight: float = 1.0


def fit(cases: Sequence[Case], *, penalty: float, least: int = 3) -> Linear:
    """The weights that make the answers likeliest, less penalty / 2 times the sum of their squares.

    Features of fewer than `least` cases are left out. `ValueError` where all answers are alike.
    """
    import torch

    if len({case.answer for case in cases}) < 2:
        raise ValueError("all cases have one answer: there is nothing to learn")
    counts = Counter(name for case in cases for name in case.features)
    names = sorted(name for name, count in counts.items() if count >= least)
    x = torch.from_numpy(_matrix(cases, names))
    y = torch.tensor([float(case.answer) for case in cases], dtype=torch.float32)
    importance = torch.tensor([case.weight for case in cases], dtype=torch.float32)
    weights = torch.zeros(len(names), dtype=torch.float32, requires_grad=True)
    bias = torch.zeros(1, dtype=torch.float32, requires_grad=True)
    optimizer = torch.optim.LBFGS([weights, bias], max_iter=300, line_search_fn="strong_wolfe")

    def loss() -> torch.Tensor:
        optimizer.zero_grad()
        log_odds = torch.mv(x, weights) + bias
        misfit = torch.nn.functional.binary_cross_entropy_with_logits(
            log_odds, y, weight=importance, reduction="sum"
        )
        total = misfit + penalty / 2 * weights.square().sum()
        total.backward()
        return total

    optimizer.step(loss)
    kept = {name: round(value, _DIGITS) for name, value in zip(names, weights.tolist(), strict=True)}
    return Linear(
        round(float(bias.detach()), _DIGITS),
        {name: value for name, value in kept.items() if abs(value) > _LEAST},
    )


def linear_from_json(content: object) -> Linear:
    """Raises pydantic's `ValidationError` where it is none."""
    return TypeAdapter(Linear).validate_python(content)


def _matrix(cases: Sequence[Case], names: Sequence[str]) -> NDArray[np.float32]:
    places = {name: place for place, name in enumerate(names)}
    filled = np.zeros((len(cases), len(names)), np.float32)
    for row, case in enumerate(cases):
        for name, value in case.features.items():
            if name in places:
                filled[row, places[name]] = value
    return filled
