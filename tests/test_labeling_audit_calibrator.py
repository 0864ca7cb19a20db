"""The map from a judge's probability to a calibrated one."""

import itertools
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labeling.audit.calibration import log_odds
from labeling.audit.calibrator import Calibrator, as_is, held_out, isotonic, pooled, temperature
from labeling.audit.clustered import Clusters

shares = st.floats(0.001, 0.999)


def test_adjacent_violators_are_pooled_by_weight() -> None:
    # 3 (weight 1) and 1 (weight 3) pool to 1.5; 2 stays above them.
    found = pooled(np.array([0.0, 3.0, 1.0, 2.0]), np.array([1.0, 1.0, 3.0, 1.0]))
    assert found.tolist() == [0.0, 1.5, 1.5, 2.0]


@settings(max_examples=40)
@given(st.lists(st.sampled_from([0.0, 0.5, 1.0]), min_size=1, max_size=6))
def test_pooling_is_the_best_of_all_ways_to_cut_into_level_blocks(values: list[float]) -> None:
    found = pooled(np.array(values), np.ones(len(values)))
    assert (np.diff(found) >= 0).all()
    assert ((found - values) ** 2).sum() == pytest.approx(_least_squares_by_trying(np.array(values)))


def _least_squares_by_trying(values: np.ndarray) -> float:
    """The optimum is level on blocks with their means, so every division that rises is tried."""
    best = np.inf
    for cuts in itertools.product([False, True], repeat=len(values) - 1):
        blocks = np.split(values, [at + 1 for at, cut in enumerate(cuts) if cut])
        means = [block.mean() for block in blocks]
        if means == sorted(means):
            best = min(
                best, sum(((block - mean) ** 2).sum() for block, mean in zip(blocks, means, strict=True))
            )
    return float(best)


def test_isotonic_is_worked_out_by_hand() -> None:
    # At confidence 0.6 right in 1 of 2, at 0.7 in 2 of 2, at 0.9 in 1 of 2: the last two pool to 3 of 4.
    found = isotonic(np.array([0.6, 0.4, 0.7, 0.7, 0.9, 0.1]))
    assert found.map(np.array([0.6, 0.7, 0.9, 0.4, 0.3, 0.1])) == pytest.approx(
        [0.5, 0.75, 0.75, 0.5, 0.25, 0.25]
    )


def test_temperature_finds_the_factor_that_was_planted() -> None:
    generator = np.random.default_rng(0)
    confident = generator.uniform(0.5, 0.95, 20_000)
    chosen = np.where(generator.random(20_000) < confident, confident, 1 - confident)
    sharpened = 1 / (1 + np.exp(-2 * log_odds(chosen)))
    assert temperature(sharpened).slope == pytest.approx(0.5, abs=0.02)


def test_a_judge_worse_than_chance_is_mapped_to_ties() -> None:
    wrong = np.array([0.1] * 15 + [0.9] * 5)
    for calibrator in (temperature(wrong), isotonic(wrong)):
        assert calibrator.map(np.array([0.01, 0.5, 0.99])) == pytest.approx([0.5, 0.5, 0.5])


def test_no_label_is_ever_certain() -> None:
    assert isotonic(np.array([0.9] * 8))(0.99) == pytest.approx(9 / 10)


def test_a_calibrator_is_kept_as_json() -> None:
    for calibrator in (
        as_is(np.array([0.5])),
        temperature(np.array([0.9, 0.8])),
        isotonic(np.array([0.9, 0.2])),
    ):
        assert Calibrator.from_json(json.loads(json.dumps(calibrator.as_json()))) == calibrator


@pytest.mark.parametrize(
    "data",
    [
        {"way": "guess"},
        {"way": "isotonic", "at": [1.0], "probabilities": [0.2]},
        {"way": "isotonic", "at": [2.0, 1.0], "probabilities": [0.6, 0.7]},
        {"way": "isotonic", "at": [1.0], "probabilities": []},
        {"way": "temperature", "slope": -1.0},
        {"way": "as_is", "at": [1.0], "probabilities": [0.6]},
    ],
)
def test_parts_that_make_no_calibrator_are_refused(data: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="a calibrator of way"):
        Calibrator.from_json(data)


def test_what_is_held_out_was_not_seen() -> None:
    # Prompt a alone is wrong; the calibrator that maps it has seen only right answers.
    probabilities = np.array([0.9, 0.9, 0.9, 0.9, 0.1])
    mapped = held_out(isotonic, probabilities, Clusters.of(["b", "c", "d", "e", "a"]))
    assert mapped[4] == pytest.approx(1 - 5 / 6)


@given(st.lists(shares, min_size=1, max_size=20), shares, shares)
def test_calibrators_rise_and_are_odd(seen: list[float], one: float, other: float) -> None:
    for fitting in (as_is, temperature, isotonic):
        calibrator = fitting(np.array(seen))
        assert calibrator(1 - one) == pytest.approx(1 - calibrator(one))
        low, high = sorted([one, other])
        assert calibrator(low) <= calibrator(high) + 1e-12
        assert calibrator(0.5) == pytest.approx(0.5)
