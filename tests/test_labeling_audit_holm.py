"""Holm's procedure against numbers worked out by hand."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labeling.audit.holm import adjusted, holm

shares = st.lists(st.floats(0, 1), max_size=12)


def test_adjusted_p_values_are_worked_out_by_hand() -> None:
    # Sorted 0.01, 0.015, 0.03, 0.04 times 4, 3, 2, 1: 0.04, 0.045, 0.06, 0.04, and none below the one before.
    assert adjusted([0.03, 0.01, 0.04, 0.015]) == pytest.approx([0.06, 0.04, 0.06, 0.045])
    assert adjusted([0.7, 0.6]) == [1.0, 1.0]
    assert adjusted([]) == []


def test_a_hypothesis_falls_only_with_all_that_are_surer() -> None:
    # 0.01 <= 0.05 / 4, 0.015 <= 0.05 / 3, 0.03 > 0.05 / 2: it and all greater stand.
    assert holm([0.03, 0.01, 0.04, 0.015], 0.05) == [False, True, False, True]
    assert holm([], 0.05) == []


@given(shares)
def test_an_adjusted_p_value_lies_between_its_own_and_bonferronis(ps: list[float]) -> None:
    for p, found in zip(ps, adjusted(ps), strict=True):
        assert p <= found <= min(1.0, p * len(ps)) + 1e-12
