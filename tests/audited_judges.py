"""Simulated judges under audit: how many intervals hold the truth, and how many fair judges the gate fails.

`benchmarks/audit.py` runs a thousand of each, `test_labeling_audit_figures.py` a few.
"""

from dataclasses import dataclass, replace

import numpy as np
from simulated_judges import Plant, audited, truths

from labeling.audit.estimate import Estimate
from labeling.audit.figures import Figures, figures
from labeling.audit.thresholds import Thresholds
from labeling.audit.verdict import judge_verdict


@dataclass(frozen=True, slots=True)
class Cover:
    """Of one measure's intervals: how many cover the truth, lie above it, lie below it; their mean width."""

    inside: float
    above: float
    below: float
    width: float


def drawn(generator: np.random.Generator) -> Plant:
    """A judge with faults of every kind, from small to gross."""
    return Plant(
        accuracy=generator.uniform(0.55, 0.92),
        sharpness=float(np.exp(generator.uniform(-0.7, 0.9))),
        position=generator.uniform(-1.5, 1.5),
        contradiction=generator.uniform(0.2, 1.5),
        length=generator.uniform(-0.6, 0.6),
        people_length=generator.uniform(-0.3, 0.5),
        unparsed=generator.uniform(0.01, 0.2),
        flips=generator.uniform(0.02, 0.5),
        prompts=int(generator.integers(60, 300)),
        more_pairs=generator.uniform(0, 1),
        within=generator.uniform(0, 0.4),
    )


def fair(generator: np.random.Generator) -> Plant:
    """A judge that agrees with people in 70 % or more and breaks no limit; every second is at two."""
    plant = Plant(
        accuracy=generator.uniform(0.7, 0.9),
        sharpness=float(np.exp(generator.uniform(-0.3, 0.5))),
        position=generator.uniform(-0.2, 0.2),
        contradiction=generator.uniform(0, 0.2),
        length=generator.uniform(-0.3, 0.3),
        people_length=generator.uniform(-0.1, 0.1),
        unparsed=generator.uniform(0, 0.05),
        flips=generator.uniform(0, 0.1),
        prompts=int(generator.integers(150, 400)),
        more_pairs=generator.uniform(0, 1),
        within=generator.uniform(0, 0.4),
    )
    return replace(plant, unparsed=0.1, flips=0.2) if generator.random() < 0.5 else plant


def seen(found: Figures) -> dict[str, Estimate]:
    """The estimates by the names that `truths` uses."""
    agreement, position, length = found.agreement, found.position, found.length
    calibrations, abstention, flips = found.calibration, found.abstention, found.injections["turned"]
    if not (
        agreement and agreement.one_order and position and length and calibrations and abstention and flips
    ):
        raise ValueError("a simulated judge without usable opinions")
    raw = calibrations.by_way["as_is"]
    return {
        "accuracy": agreement.accuracy,
        "kappa": agreement.kappa,
        "one-order": agreement.one_order,
        "swap-consistency": position.consistency,
        "first-twice": position.first_twice,
        "position-nats": position.nats,
        "length-judge": length.judge,
        "length-people": length.people,
        "length-excess": length.excess,
        "margin-over-longer": found.floors[0].margin,
        "unparsed": found.unparsed,
        "flips": flips.rate,
        "slope": calibrations.slope,
        "ece": raw.ece,
        "brier": raw.brier,
        "log-loss": raw.log_loss,
        "abstention-area": abstention.area,
    }


def coverage(judges: int, seed: int) -> dict[str, Cover]:
    """How often each measure's interval holds what it should, over so many judges."""
    gaps: dict[str, list[tuple[float, float]]] = {}
    for number in range(judges):
        generator = np.random.default_rng([seed, number])
        plant = drawn(generator)
        sample, expected = audited(plant, generator), truths(plant)
        for name, one in seen(
            figures(sample.clean, injections={"turned": sample.changed}, seed=number)
        ).items():
            gaps.setdefault(name, []).append((one.low - expected[name], one.high - expected[name]))
    return {name: cover(np.array(ends)) for name, ends in gaps.items()}


def cover(ends: np.ndarray) -> Cover:
    """Of intervals' two ends, each less the truth."""
    above, below = ends[:, 0] > 0, ends[:, 1] < 0
    return Cover(
        inside=float((~above & ~below).mean()),
        above=float(above.mean()),
        below=float(below.mean()),
        width=float((ends[:, 1] - ends[:, 0]).mean()),
    )


def alarms(judges: int, seed: int) -> dict[str, float]:
    """The share of fair judges that fail the gate, and of each check alone."""
    counts: dict[str, int] = {"any": 0}
    for number in range(judges):
        generator = np.random.default_rng([seed + 1, number])
        sample = audited(fair(generator), generator)
        found = figures(sample.clean, injections={"turned": sample.changed}, seed=number)
        failures = judge_verdict(found, Thresholds()).failures
        counts["any"] += bool(failures)
        for check in failures:
            counts[check.name] = counts.get(check.name, 0) + 1
    return {name: count / judges for name, count in counts.items()}
