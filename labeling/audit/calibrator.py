"""The map from a judge's probability to a calibrated one: fitted on an audit, stored as JSON, used on labels.

Every calibrator is odd in the log-odds, f(1 - p) = 1 - f(p): which response of a pair is named first is
arbitrary, and a map without that symmetry would learn that the audit names the people's choice first. None
turns an answer round: a judge that is worse than chance is mapped to one half, which is a tie.
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Literal, get_args

import numpy as np

from labeling.audit.calibration import log_odds
from labeling.audit.clustered import Clusters, Numbers
from labeling.audit.logit import fit, sigmoid

Way = Literal["as_is", "temperature", "isotonic"]
FOLDS = 5


@dataclass(frozen=True, slots=True)
class Calibrator:
    """A non-decreasing map of probabilities with f(1 - p) = 1 - f(p).

    `slope` multiplies the log-odds: the inverse of the temperature. An isotonic one has points instead, of
    rising absolute log-odds `at` and the probabilities, one half or more, that the likelier side has there;
    between two points it is straight, outside them constant.
    """

    way: Way
    slope: float = 1.0
    at: tuple[float, ...] = ()
    probabilities: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        """`ValueError` where the parts do not make such a map."""
        pairs = list(zip(self.probabilities, self.probabilities[1:], strict=False))
        rising = all(one <= other for one, other in pairs) and all(
            0.5 <= one < 1 for one in self.probabilities
        )
        matching = len(self.at) == len(self.probabilities) and list(self.at) == sorted(self.at)
        if self.way not in get_args(Way) or not (rising and matching) or self.slope < 0:
            raise ValueError(f"a calibrator of way {self.way!r} with parts that do not fit each other")
        if bool(self.at) != (self.way == "isotonic"):
            raise ValueError(f"a calibrator of way {self.way!r} with {len(self.at)} points")

    def __call__(self, probability: float) -> float:
        return float(self.map(np.array([probability]))[0])

    def map(self, probabilities: Numbers) -> Numbers:
        """Each probability's calibrated one, in the same order."""
        if self.way == "as_is":
            return np.asarray(probabilities, float)
        raw = log_odds(probabilities)
        if self.way == "temperature":
            return sigmoid(self.slope * raw)
        lead = np.interp(np.abs(raw), self.at, self.probabilities) - 0.5
        return 0.5 + np.sign(raw) * lead

    def as_json(self) -> dict[str, object]:
        return {**asdict(self), "at": list(self.at), "probabilities": list(self.probabilities)}

    @classmethod
    def from_json(cls, data: Mapping[str, object]) -> "Calibrator":
        """What `as_json` gave. `ValueError` or `TypeError` where it is something else."""
        values = dict(data)
        at, probabilities = (_numbers(values.pop(name, ())) for name in ("at", "probabilities"))
        return cls(at=at, probabilities=probabilities, **values)  # type: ignore[arg-type]


Fit = Callable[[Numbers], Calibrator]


def as_is(probabilities: Numbers) -> Calibrator:  # noqa: ARG001
    """No change: what the other ways are held against."""
    return Calibrator("as_is")


def temperature(probabilities: Numbers) -> Calibrator:
    """One factor for all log-odds (Guo et al. 2017, section 4.2), by Firth's logistic regression."""
    slope = float(fit(log_odds(probabilities)[:, None], np.ones(len(probabilities)))[0])
    return Calibrator("temperature", slope=max(slope, 0.0))


def isotonic(probabilities: Numbers) -> Calibrator:
    """Any non-decreasing odd map (Zadrozny and Elkan 2002), by pooling adjacent violators.

    The odd least-squares solution is the plain one over confidences, raised to one half where it is below. It
    stays under (n + 1) / (n + 2), Laplace's rule of succession, so that no label is certain.
    """
    raw = log_odds(probabilities)
    # Rounded, so that 0.6 and 0.4 are equally sure in floating point as well.
    at, place = np.unique(np.round(np.abs(raw), 9), return_inverse=True)
    counts = np.bincount(place).astype(float)
    right = np.bincount(place, (np.sign(raw) + 1) / 2)
    fitted = np.clip(pooled(right / counts, counts), 0.5, (len(raw) + 1) / (len(raw) + 2))
    # Points inside a flat stretch say nothing that its two ends do not.
    ends = np.ones(len(at), bool)
    ends[1:-1] = (fitted[1:-1] != fitted[:-2]) | (fitted[1:-1] != fitted[2:])
    return Calibrator("isotonic", at=tuple(at[ends].tolist()), probabilities=tuple(fitted[ends].tolist()))


FITS: Mapping[Way, Fit] = {"as_is": as_is, "temperature": temperature, "isotonic": isotonic}


def pooled(values: Numbers, weights: Numbers) -> Numbers:
    """The non-decreasing sequence nearest to `values` in weighted squares (Ayer et al. 1955)."""
    blocks: list[tuple[float, float, int]] = []
    for value, weight in zip(values.tolist(), weights.tolist(), strict=True):
        block = (value, weight, 1)
        while blocks and blocks[-1][0] >= block[0]:
            block = _joined(blocks.pop(), block)
        blocks.append(block)
    return np.repeat([block[0] for block in blocks], [block[2] for block in blocks])


def held_out(fitting: Fit, probabilities: Numbers, clusters: Clusters, *, seed: int = 0) -> Numbers:
    """Each probability mapped by a calibrator that saw no pair of its prompt; prompts are in five folds."""
    folds = np.random.default_rng(seed).permutation(clusters.count) % min(FOLDS, clusters.count)
    fold_of = folds[clusters.codes]
    mapped = np.empty(len(probabilities))
    for fold in range(int(folds.max()) + 1):
        inside = fold_of == fold
        mapped[inside] = fitting(probabilities[~inside]).map(probabilities[inside])
    return mapped


def _joined(one: tuple[float, float, int], other: tuple[float, float, int]) -> tuple[float, float, int]:
    weight = one[1] + other[1]
    return (one[0] * one[1] + other[0] * other[1]) / weight, weight, one[2] + other[2]


def _numbers(value: object) -> tuple[float, ...]:
    if not isinstance(value, list | tuple):
        raise TypeError(f"a calibrator's points are {value!r}: expected a list of numbers")
    return tuple(float(one) for one in value)
