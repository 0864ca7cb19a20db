"""Every figure at once, and their intervals on judges with planted faults."""

import json
from dataclasses import replace

import numpy as np
import pytest
from audit_opinions import opinion
from audited_judges import alarms, coverage
from simulated_judges import Plant, audited, truths

from labeling.audit.calibrator import Calibrator
from labeling.audit.figures import figures


def sample():
    return audited(Plant(prompts=80, contradiction=0.5, unparsed=0.1, flips=0.2), np.random.default_rng(1))


def test_figures_are_plain_json_with_the_calibrator_in_it() -> None:
    drawn = sample()
    found = figures(drawn.clean, injections={"turned": drawn.changed})
    data = json.loads(json.dumps(found.as_json(), allow_nan=False))
    assert data == found.as_json()
    assert data["pairs"] == len(drawn.clean)
    assert found.calibration is not None
    assert Calibrator.from_json(data["calibration"]["calibrator"]) == found.calibration.calibrator


def test_the_same_seed_gives_the_same_figures() -> None:
    drawn = sample()
    assert figures(drawn.clean, seed=3) == figures(drawn.clean, seed=3)


def test_renaming_prompts_and_pairs_changes_nothing() -> None:
    drawn = sample().clean
    renamed = [replace(one, id=f"x{one.id}", cluster=f"x{one.cluster}") for one in drawn]
    assert figures(renamed) == figures(drawn)


def test_a_changed_form_may_cover_part_of_the_pairs() -> None:
    drawn = sample()
    part = figures(drawn.clean, formats={"bold": drawn.changed[:20]}).formats["bold"]
    assert part is not None
    assert part.rate.n <= 20


def test_a_form_without_a_usable_pair_has_no_flips() -> None:
    lost = opinion("b", probability=None)
    found = figures([opinion("a"), opinion("b")], formats={"bold": [lost]})
    assert found.formats == {"bold": None}


def test_a_changed_form_of_unknown_pairs_is_an_error() -> None:
    with pytest.raises(ValueError, match="in one of the two alone, such as 'z'"):
        figures([opinion("a"), opinion("b")], injections={"answer (B)": [opinion("z")]})


def test_no_opinions_are_an_error() -> None:
    with pytest.raises(ValueError, match="at least one pair"):
        figures([])


def test_truths_of_simulated_judges_agree_with_a_very_large_audit() -> None:
    plant = Plant(
        sharpness=1.5, position=0.4, contradiction=0.5, length=0.3, people_length=0.2, prompts=4_000
    )
    expected, found = truths(plant), figures(audited(plant, np.random.default_rng(0)).clean)
    assert found.agreement is not None
    assert found.position is not None
    assert found.length is not None
    assert found.calibration is not None
    for name, value in (
        ("accuracy", found.agreement.accuracy.value),
        ("swap-consistency", found.position.consistency.value),
        ("position-nats", found.position.nats.value),
        ("ece", found.calibration.by_way["as_is"].ece.value),
        ("brier", found.calibration.by_way["as_is"].brier.value),
    ):
        assert value == pytest.approx(expected[name], abs=0.02), name


def test_intervals_cover_the_truth_and_fair_judges_are_left_alone() -> None:
    # 30 judges and 17 measures: enough to notice an interval that is wrong, not to measure its coverage, for
    # which the benchmark has a thousand.
    covers = coverage(30, 11)
    assert all(cover.inside >= 0.8 for cover in covers.values()), covers
    assert 0.92 <= np.mean([cover.inside for cover in covers.values()]) <= 0.985
    assert alarms(30, 11)["any"] <= 0.15
