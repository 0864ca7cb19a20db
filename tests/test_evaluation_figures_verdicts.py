"""Coefficients of verdicts, and how narrow their intervals may be."""

import math

import numpy as np
import pytest

from evaluation.figures.verdicts import model_of_verdicts
from labeling.audit.clustered import Clusters

PROMPTS = Clusters.of([str(number) for number in range(40)])
ONE = np.ones((40, 1))


def test_a_level_is_worked_out_by_hand() -> None:
    # Firth adds half a win and half a loss: log(30.5 / 10.5).
    (level,) = model_of_verdicts(ONE, np.array([1.0] * 30 + [0.0] * 10), PROMPTS)
    assert level.value == pytest.approx(math.log(30.5 / 10.5))


def test_verdicts_that_are_all_alike_leave_a_wide_interval() -> None:
    (level,) = model_of_verdicts(ONE, np.ones(40), PROMPTS)
    # The likelihood's own error: 1 / sqrt(40 p (1 - p)) with p = 40.5 / 41.
    assert level.error == pytest.approx(1 / math.sqrt(40 * 40.5 / 41 * 0.5 / 41))
    assert level.high - level.low > 5


def test_nothing_but_ties_is_as_sure_as_it_looks() -> None:
    (level,) = model_of_verdicts(ONE, np.full(40, 0.5), PROMPTS)
    assert (level.value, level.error) == (pytest.approx(0), pytest.approx(0))


def test_prompts_that_hang_together_widen_the_interval() -> None:
    points = np.array([1.0, 1.0, 0.0, 0.0] * 10)
    (apart,) = model_of_verdicts(ONE, points, PROMPTS)
    (together,) = model_of_verdicts(ONE, points, Clusters.of([str(number // 2) for number in range(40)]))
    assert together.error > 1.3 * apart.error
