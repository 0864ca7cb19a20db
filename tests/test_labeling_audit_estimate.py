"""Intervals of an estimate, and how surely it lies on one side of a limit."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labeling.audit.estimate import Estimate, t_interval, t_quantile, t_tail, wilson

LARGE = 1e7


@pytest.mark.parametrize(("df", "point"), [(1, 12.7062), (2, 4.30265), (10, 2.22814), (30, 2.04227)])
def test_quantiles_are_those_of_the_printed_tables(df: float, point: float) -> None:
    assert t_quantile(0.975, df) == pytest.approx(point, rel=1e-5)


def test_many_degrees_of_freedom_are_the_normal_distribution() -> None:
    assert t_tail(1.959964, LARGE) == pytest.approx(0.025, abs=1e-6)
    assert t_tail(-1.959964, LARGE) == pytest.approx(0.975, abs=1e-6)


def test_wilson_of_eight_in_ten_is_worked_out_by_hand() -> None:
    # center (0.8 + 0.19207) / 1.38415 = 0.71674, half 1.95996 / 1.38415 * sqrt(0.016 + 0.0096036) = 0.22657
    ends = wilson(0.8, 10, LARGE)
    assert (ends.low, ends.high) == pytest.approx((0.49016, 0.94332), abs=2e-5)


def test_wilson_of_none_and_of_all_touches_the_end_and_has_width() -> None:
    none, every = wilson(0.0, 20, LARGE), wilson(1.0, 20, LARGE)
    assert none.low == 0
    assert none.high == pytest.approx(0.16112, abs=1e-4)
    assert (every.low, every.high) == pytest.approx((1 - none.high, 1.0))


def test_a_share_is_held_against_a_limit_with_the_limits_own_error() -> None:
    # (0.65 - 0.5) / sqrt(0.25 / 100) = 3: P(Z > 3) = 0.00135
    share = Estimate(0.65, 0.55, 0.74, 100, 100, 0.0477, LARGE, 100.0)
    assert share.p_at_most(0.5) == pytest.approx(0.00135, abs=1e-5)
    assert share.p_at_least(0.5) == pytest.approx(1 - 0.00135, abs=1e-5)


def test_a_figure_without_error_lies_on_one_side_for_sure() -> None:
    sure = Estimate(0.2, 0.2, 0.2, 10, 10, 0.0, 9.0)
    assert (sure.p_at_most(0.1), sure.p_at_least(0.1), sure.p_at_most(0.2)) == (0.0, 1.0, 0.5)


@given(st.floats(0, 1), st.floats(2, 1e4), st.floats(1, 1e3))
def test_wilson_holds_its_share_and_mirrors(value: float, effective: float, df: float) -> None:
    ends, mirrored = wilson(value, effective, df), wilson(1 - value, effective, df)
    assert 0 <= ends.low <= value + 1e-9
    assert value - 1e-9 <= ends.high <= 1
    assert ends.low == pytest.approx(1 - mirrored.high, abs=1e-9)


def test_the_t_interval_is_symmetric() -> None:
    ends = t_interval(1.0, 0.5, 10)
    assert (ends.low, ends.high) == pytest.approx((1 - 1.11407, 1 + 1.11407), abs=1e-5)
