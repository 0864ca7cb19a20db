"""Accuracy against coverage."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from labeling.audit.abstention import abstention
from labeling.audit.clustered import Clusters


def alone(n: int) -> Clusters:
    return Clusters.of([str(at) for at in range(n)])


def test_the_curve_and_its_area_are_worked_out_by_hand() -> None:
    # By falling confidence: right, right, wrong, right: accuracies 1, 1, 2/3, 3/4.
    found = abstention(np.array([0.6, 0.9, 0.8, 0.3]), alone(4))
    assert [(each.confidence, each.coverage) for each in found.curve] == [
        (pytest.approx(confidence), coverage)
        for confidence, coverage in ((0.9, 0.25), (0.8, 0.5), (0.7, 0.75), (0.6, 1.0))
    ]
    assert [each.accuracy for each in found.curve] == pytest.approx([1, 1, 2 / 3, 3 / 4])
    # Level to the first point, then straight: (1 + 1 + (1 + 2/3) / 2 + (2/3 + 3/4) / 2) / 4
    assert found.area.value == pytest.approx((1 + 1 + 5 / 6 + 17 / 24) / 4)


def test_pairs_of_one_confidence_are_kept_or_left_together() -> None:
    found = abstention(np.array([0.8] * 7 + [0.2] * 3), alone(10))
    assert [(each.coverage, each.accuracy) for each in found.curve] == [(1.0, pytest.approx(0.7))]
    assert found.area.value == pytest.approx(0.7)


@given(st.lists(st.floats(0, 1), min_size=2, max_size=30), st.randoms(use_true_random=False))
def test_the_area_minds_no_order_and_turns_round_with_the_names(probabilities: list[float], random) -> None:
    numbers = np.round(np.array(probabilities), 3)
    found = abstention(numbers, alone(len(numbers)), draws=20).area
    shuffled = np.array(random.sample(numbers.tolist(), len(numbers)))
    assert abstention(shuffled, alone(len(numbers)), draws=20).area.value == pytest.approx(found.value)
    turned = abstention(1 - numbers, alone(len(numbers)), draws=20).area
    assert 0 <= found.low <= found.value + 1e-9 <= found.high + 2e-9 <= 1 + 2e-9
    assert turned.value == pytest.approx(1 - found.value)
