"""Judges with planted faults: a `Plant` comes in, an audit's opinions and what it should find go out.

In the order (chosen, rejected), a judge's calibrated log-odds are normal with mean m and variance 2m, since
then their density at z is exp(z) times that at -z: among pairs with log-odds z, people agree in sigmoid(z)
of cases. The prompt's share of that variance is `within`. A planted judge reports

    z' = sharpness * (z + length * x),   first: z' + position + c,   second: z' - position - c

with x the standardised difference in length, c its contradiction of itself, normal; both orders combined
give z'.
"""

import math
from dataclasses import dataclass
from functools import cache
from statistics import NormalDist

import numpy as np

from labeling.audit.abstention import abstention
from labeling.audit.calibration import equal_width, plain_ece, slope
from labeling.audit.clustered import Clusters, Numbers, Places
from labeling.audit.logit import fit, sigmoid
from labeling.audit.model import Opinion

_WORDS = 30.0
_POINTS = 20_000
_PHI = NormalDist()


@dataclass(frozen=True, slots=True)
class Plant:
    """A judge's planted faults and the size of its audit.

    `accuracy` is that without length bias; `sharpness` above 1 is too sure of itself; `length` the log-odds
    per standard deviation of length, `people_length` the mean of that difference in favour of what people
    chose.
    """

    accuracy: float = 0.75
    sharpness: float = 1.0
    position: float = 0.0
    contradiction: float = 0.0
    length: float = 0.0
    people_length: float = 0.0
    unparsed: float = 0.0
    flips: float = 0.0
    prompts: int = 200
    more_pairs: float = 0.5
    within: float = 0.2

    @property
    def mean(self) -> float:
        """The m above: accuracy is that of a normal with mean m and variance 2m being positive."""
        return 2 * _PHI.inv_cdf(self.accuracy) ** 2


@dataclass(frozen=True, slots=True)
class Audited:
    """A sample of a judge's opinions, and of the same pairs with a change that flips some of them."""

    clean: list[Opinion]
    changed: list[Opinion]


def audited(plant: Plant, generator: np.random.Generator) -> Audited:
    """An audit's worth of opinions; each prompt has one pair, and more by chance, `more_pairs` on average."""
    sizes = 1 + generator.poisson(plant.more_pairs, plant.prompts)
    prompt = np.repeat(np.arange(plant.prompts), sizes)
    n = len(prompt)
    shared, own = generator.standard_normal(plant.prompts)[prompt], generator.standard_normal(n)
    z = plant.mean + math.sqrt(2 * plant.mean) * (
        math.sqrt(plant.within) * shared + math.sqrt(1 - plant.within) * own
    )
    words = np.round(_WORDS * (plant.people_length + generator.standard_normal(n))).astype(int)
    reported = plant.sharpness * (z + plant.length * words / _WORDS)
    lean = plant.position + plant.contradiction * generator.standard_normal(n)
    parsed = (generator.random(n) >= plant.unparsed).astype(int)
    turned = np.where(generator.random(n) < plant.flips, -1.0, 1.0)
    clean = _opinions(prompt, reported, lean=lean, words=words, parsed=parsed)
    changed = _opinions(prompt, turned * reported, lean=lean, words=words, parsed=np.ones(n, int))
    return Audited(clean, changed)


def _opinions(
    prompt: Places, log_odds: Numbers, *, lean: Numbers, words: Places, parsed: Places
) -> list[Opinion]:
    columns = (prompt, log_odds + lean, log_odds - lean, sigmoid(log_odds), words, parsed)
    return [
        Opinion(
            id=f"p{at}",
            cluster=f"c{which}",
            chosen_first=first if usable else None,
            chosen_second=second if usable else None,
            probability=probability if usable else None,
            chosen_words=100 + max(more, 0),
            rejected_words=100 + max(-more, 0),
        )
        for at, (which, first, second, probability, more, usable) in enumerate(
            zip(*(column.tolist() for column in columns), strict=True)
        )
    ]


@cache
def _normals() -> Numbers:
    """Points x 3 that fill the space of three independent normals evenly (Roberts' additive recurrence)."""
    ratio = 1.2207440846057596  # The root of x ** 4 = x + 1.
    steps = np.array([1 / ratio, 1 / ratio**2, 1 / ratio**3])
    even = (0.5 + np.arange(1, _POINTS + 1)[:, None] * steps) % 1
    return np.vectorize(_PHI.inv_cdf)(even)


def truths(plant: Plant) -> dict[str, float]:
    """What a boundless audit of the judge would find, by the names that `seen` uses."""
    noise = _normals()
    z = plant.mean + math.sqrt(2 * plant.mean) * noise[:, 0]
    x = np.round(_WORDS * (plant.people_length + noise[:, 1])) / _WORDS
    size = math.sqrt(float((x**2).mean()))
    reported, lean = (
        plant.sharpness * (z + plant.length * x),
        plant.position + plant.contradiction * noise[:, 2],
    )
    chosen, people = sigmoid(reported), np.ones(len(z))
    # As in the opinions: x does not tell how right z is, so agreement is that of a normal being positive.
    mean = plant.mean + plant.length * plant.people_length
    accuracy = _PHI.cdf(mean / math.sqrt(2 * plant.mean + plant.length**2))
    agrees = (reported > 0).astype(float)
    longer = (x / size)[:, None]
    return {
        "accuracy": accuracy,
        "kappa": 2 * accuracy - 1,
        "one-order": float(((reported + lean > 0).astype(float) + (reported - lean > 0)).mean() / 2),
        "swap-consistency": float((np.abs(reported) > np.abs(lean)).mean()),
        "first-twice": float((lean > np.abs(reported)).mean()),
        "position-nats": plant.position,
        "length-judge": float(fit(longer, agrees)[0]),
        "length-people": float(fit(longer, people)[0]),
        "length-excess": float(fit(np.column_stack([longer, people]), agrees)[0]),
        "margin-over-longer": accuracy - float(((np.sign(x) + 1) / 2).mean()),
        "unparsed": plant.unparsed,
        "flips": plant.flips,
        "slope": float(slope(chosen, Clusters(np.arange(len(z)) % 50, 50)).value),
        "ece": plain_ece(chosen, equal_width()),
        "brier": float(((1 - chosen) ** 2).mean()),
        "log-loss": float(np.logaddexp(0, -reported).mean()),
        "abstention-area": abstention(chosen, Clusters(np.arange(len(z)) % 50, 50), draws=2).area.value,
    }
