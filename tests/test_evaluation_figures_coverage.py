"""The intervals hold what they should, in a few simulated evaluations."""

import pytest
from simulated_evaluations import coverage, false_alarms


def test_intervals_hold_the_truth_about_as_often_as_they_say() -> None:
    found = coverage(40, seed=1)
    for name, one in found.items():
        # 40 draws of 0.95 lie below 0.83 once in a thousand times.
        assert one.inside >= (0.75 if "plain" in name else 0.83), name


def test_chance_is_seldom_called_a_change() -> None:
    found = false_alarms(40, seed=1)
    assert found["one share"] <= 0.15
    assert found["any of eight categories"] <= 0.15


def test_a_simulation_is_the_same_for_a_seed() -> None:
    assert coverage(2, seed=3) == coverage(2, seed=3)
    assert coverage(2, seed=3)["share"] != pytest.approx(coverage(2, seed=4)["share"].width)
