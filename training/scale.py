"""How a reward model's numbers are to be read: rated pairs in, their errors, mean, spread, temperature out.

A reward has no unit of its own. What it is worth is measured on pairs whose prompts the model did not learn
from; `reward.json` beside the model keeps the scale, for whoever rates with it later.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from labeling.audit.calibration import equal_width
from labeling.audit.clustered import Clusters, Numbers, share
from labeling.audit.logit import fit, sigmoid

FILE = "reward.json"
SAMPLES = ("samples", "best_of_n")
"""Sources whose responses are the policy's own, both of them."""
_LEAST_SLOPE = 1e-3


@dataclass(frozen=True, slots=True)
class Rated:
    """Pairs with their rewards, one entry each: `target` is P(chosen), `prompt` a name of its prompt.

    `source` is how the pair came about.
    """

    chosen: Numbers
    rejected: Numbers
    target: Numbers
    prompt: tuple[str, ...]
    source: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.target)


@dataclass(frozen=True, slots=True)
class Scale:
    """A reward r is normalised to (r - `mean`) / `sd`, which were fitted on so many `responses`.

    `temperature` divides differences so that they are log-odds; None where no pair was held out to tell.
    """

    mean: float
    sd: float
    fitted_on: str
    responses: int
    temperature: float | None = None

    def normalized(self, reward: float) -> float:
        return (reward - self.mean) / self.sd


def fitted(rated: Rated, *, held_out: bool) -> Scale:
    """The scale by the policy's own samples among the pairs, which it will be asked about later; by all
    responses where there are none. At least one pair.
    """
    which = np.isin(rated.source, SAMPLES)
    name = "the policy's samples" if which.any() else "both responses"
    which = which if which.any() else np.ones(len(rated), bool)
    rewards = np.concatenate([rated.chosen[which], rated.rejected[which]])
    sd = float(rewards.std(ddof=1))
    return Scale(
        mean=float(rewards.mean()),
        sd=sd if sd > 0 else 1.0,
        fitted_on=f"{name} of {'held-out pairs' if held_out else 'pairs that were learned from'}",
        responses=len(rewards),
        temperature=_temperature(rated) if held_out else None,
    )


def errors(rated: Rated) -> Mapping[str, float]:
    """How well sigmoid(chosen - rejected) tells the labels of held-out pairs; at least one pair.

    Accuracy is the share of pairs whose chosen response is ahead, half for a draw, with Wilson's 95 %
    interval clustered by prompt. The loss is in nats; the labels' own entropy is the least that it can be.
    Brier score and calibration error (five bins of confidence) take the label's probability for the outcome.
    """
    ahead, target = rated.chosen - rated.rejected, rated.target
    told = sigmoid(ahead)
    accuracy = share((np.sign(ahead) + 1) / 2, Clusters.of(rated.prompt))
    return {
        "held_out_accuracy": accuracy.value,
        "held_out_accuracy_low": accuracy.low,
        "held_out_accuracy_high": accuracy.high,
        "held_out_loss": _cross_entropy(target, ahead),
        "held_out_label_entropy": _entropy(target),
        "held_out_brier": float((target * (1 - told) ** 2 + (1 - target) * told**2).mean()),
        "held_out_ece": _calibration_error(told, target),
    }


def errors_by_source(rated: Rated) -> Mapping[str, float]:
    """Pairs, accuracy and mean lead of chosen by source, where there are several: a model that is right on
    most pairs may have learned what the largest source has in common, and be wrong on all others.
    """
    source, ahead = np.asarray(rated.source), rated.chosen - rated.rejected
    names = sorted(set(rated.source))
    told: dict[str, float] = {}
    for name in names if len(names) > 1 else ():
        those = ahead[source == name]
        told[f"held_out_pairs/{name}"] = len(those)
        told[f"held_out_accuracy/{name}"] = float(((np.sign(those) + 1) / 2).mean())
        told[f"held_out_margin/{name}"] = float(those.mean())
    return told


def write_scale(folder: Path, scale: Scale) -> None:
    (folder / FILE).write_text(json.dumps(asdict(scale), indent=2) + "\n", encoding="utf-8")


def read_scale(folder: Path) -> Scale:
    """What `write_scale` wrote; `OSError`, `ValueError` or `TypeError` where it is not there or not whole."""
    return Scale(**json.loads((folder / FILE).read_text(encoding="utf-8")))


def _temperature(rated: Rated) -> float:
    """By logistic regression of the labels on the differences; at most 1000, where they tell nothing."""
    slope = float(fit((rated.chosen - rated.rejected)[:, None], rated.target)[0])
    return 1 / max(slope, _LEAST_SLOPE)


def _cross_entropy(target: Numbers, ahead: Numbers) -> float:
    return float((target * np.logaddexp(0, -ahead) + (1 - target) * np.logaddexp(0, ahead)).mean())


def _entropy(target: Numbers) -> float:
    inside = target[(target > 0) & (target < 1)]
    summed = (inside * np.log(inside) + (1 - inside) * np.log1p(-inside)).sum()
    return abs(float(summed)) / len(target)


def _calibration_error(told: Numbers, target: Numbers) -> float:
    """The mean over pairs of their bin's |confidence - the labels' probability of the confident side|."""
    confidence = np.maximum(told, 1 - told)
    right = np.where(told >= 0.5, target, 1 - target)
    place = np.searchsorted(equal_width()[1:-1], confidence, side="right")
    gaps = np.bincount(place, confidence - right)
    return float(np.abs(gaps).sum() / len(told))
