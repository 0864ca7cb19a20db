"""What a judgment is worth as a label: the judge's verdict, corrected by an audit where there is one.

In: a judgment and what an audit makes of its judge. Out: the probability to go by, who won, and why not where
nobody did.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from labeling.combine import without_label
from labeling.model import Judgment
from labeling.settings import LabelingSettings


@dataclass(frozen=True, slots=True)
class Trust:
    """What an audit makes of a judge's labels: `digest` names it and travels with every pair.

    `calibrated` maps the judge's probability to a corrected one; a pair whose likelier response has less than
    `min_confidence` then is a tie.
    """

    digest: str
    calibrated: Callable[[float], float]
    min_confidence: float


@dataclass(frozen=True, slots=True)
class Belief:
    """Whom to believe the winner; None where a pair has no label, and `why` says the reason.

    `probability` is that of the first response being better; None where there was nothing to read.
    """

    winner: Literal["first", "second"] | None
    probability: float | None
    why: str = ""


@dataclass(frozen=True, slots=True)
class Believing:
    """How judgments are taken; call it with one. Without an audit they are taken as they are."""

    settings: LabelingSettings
    trust: Trust | None = None

    def __call__(self, judgment: Judgment) -> Belief:
        trust, probability = self.trust, judgment.probability
        if trust and probability is not None:
            probability = trust.calibrated(probability)
        if judgment.verdict not in ("first", "second") or probability is None:
            return Belief(None, probability, without_label(judgment, self.settings))
        if trust and max(probability, 1 - probability) < trust.min_confidence:
            return Belief(None, probability, "tie, below the calibrated confidence")
        return Belief(judgment.verdict, probability)
