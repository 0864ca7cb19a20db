"""Every figure of an audit at once: a judge's opinions come in, one record that turns into plain JSON goes
out.

The report prints it, the verdict reads it, and its digest travels with the labels.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np

from labeling.audit.abstention import Abstention, abstention
from labeling.audit.agreement import Agreement, agreement, clusters_of, unparsed, usable
from labeling.audit.bias import Flips, Floor, Length, Position, flips, floors, length, position
from labeling.audit.calibration import Calibration, calibration, slope
from labeling.audit.calibrator import FITS, Calibrator, Way, held_out
from labeling.audit.clustered import Clusters, Numbers
from labeling.audit.estimate import Estimate
from labeling.audit.model import Opinion


@dataclass(frozen=True, slots=True)
class Calibrations:
    """The errors of the probabilities as they are and as each way of calibrating leaves pairs it has not
    seen.

    `slope` is that of the log-odds as they are; `best` the way of the least held-out log loss; `calibrator`
    that way fitted on all pairs, for use on labels.
    """

    slope: Estimate
    by_way: Mapping[Way, Calibration]
    best: Way
    calibrator: Calibrator


@dataclass(frozen=True, slots=True)
class Figures:
    """A judge's audit in numbers.

    Where fewer than two prompts have a usable opinion, only the counts and `unparsed` are known.
    `injections` and `formats` are the flips under each changed form, None for a form without a usable pair.
    """

    pairs: int
    prompts: int
    usable: int
    unparsed: Estimate
    agreement: Agreement | None
    floors: tuple[Floor, ...]
    position: Position | None
    length: Length | None
    calibration: Calibrations | None
    abstention: Abstention | None
    injections: Mapping[str, Flips | None]
    formats: Mapping[str, Flips | None]

    def as_json(self) -> dict[str, object]:
        """Lists, mappings, numbers, text and null, ready for `json.dump`."""
        return json.loads(json.dumps(asdict(self), allow_nan=False))


Variants = Mapping[str, Sequence[Opinion]]


def figures(
    opinions: Sequence[Opinion],
    *,
    injections: Variants | None = None,
    formats: Variants | None = None,
    tie_margin: float = 0.0,
    seed: int = 0,
) -> Figures:
    """Figures of at least one opinion; `injections` and `formats` are opinions of the same pairs, changed.

    A changed form may cover part of the pairs. `tie_margin` is the recipe's: a probability so close to one
    half is a tie. The same seed gives the same intervals and folds. `ValueError` where there is no opinion,
    two have one id, or a changed form has a pair that is not there.
    """
    parsed = usable(opinions)
    known = len({one.cluster for one in parsed}) > 1
    clusters = clusters_of(parsed) if known else None
    chosen = np.array([one.probability for one in parsed], float)
    return Figures(
        pairs=len(opinions),
        prompts=len({one.cluster for one in opinions}),
        usable=len(parsed),
        unparsed=unparsed(opinions),
        agreement=agreement(opinions, tie_margin=tie_margin) if known else None,
        floors=floors(opinions) if known else (),
        position=position(parsed) if known else None,
        length=length(opinions) if known else None,
        calibration=calibrations(chosen, clusters, seed=seed) if clusters else None,
        abstention=abstention(chosen, clusters, seed=seed) if clusters else None,
        injections=_flips(opinions, injections or {}),
        formats=_flips(opinions, formats or {}),
    )


def calibrations(probabilities: Numbers, clusters: Clusters, *, seed: int = 0) -> Calibrations:
    """Each way of calibrating, held against pairs of prompts that it has not seen."""
    by_way: dict[Way, Calibration] = {
        way: calibration(held_out(fitting, probabilities, clusters, seed=seed), clusters, seed=seed)
        for way, fitting in FITS.items()
    }
    best = min(by_way, key=lambda way: by_way[way].log_loss.value)
    return Calibrations(slope(probabilities, clusters), by_way, best, FITS[best](probabilities))


def _flips(opinions: Sequence[Opinion], variants: Variants) -> dict[str, Flips | None]:
    return {name: flips(_same_pairs(opinions, changed), changed) for name, changed in variants.items()}


def _same_pairs(opinions: Sequence[Opinion], changed: Sequence[Opinion]) -> list[Opinion]:
    wanted = {one.id for one in changed}
    return [one for one in opinions if one.id in wanted]
