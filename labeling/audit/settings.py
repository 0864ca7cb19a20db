"""The `audit` section of a recipe: which pairs the judge is held against, and what it has to show."""

from pydantic import Field

from constitution.document import Section
from constitution.model import Text
from labeling.audit.thresholds import Thresholds


class AuditSettings(Section):
    """The judge on pairs that people labelled, before its labels train a model (docs/audit.md)."""

    labels: tuple[Text, ...] = Field(
        default=(),
        description="files of pairs that people labelled, or folders of them: HHH, hh-rlhf, XSTest's "
        "completions, LLMBar, JudgeBench, RewardBench, or `prompt`, `chosen` and `rejected`",
    )
    votes: bool = Field(
        default=True,
        description="people's votes on the run's own pairs (`solon annotate`) are added, where there are any",
    )
    budget: int | None = Field(
        default=500,
        ge=1,
        description="at most so many pairs, of every file and kind its share; null: all",
    )
    probed: int = Field(
        default=150,
        ge=0,
        description="so many of them are judged twice more: with an order hidden in a response, and with "
        "other Markdown",
    )
    min_confidence: float = Field(
        default=0.55,
        ge=0.5,
        lt=1,
        description="a label whose calibrated probability is lower becomes a tie, which trains nothing",
    )
    thresholds: Thresholds = Field(
        default_factory=Thresholds,
        description="what the judge has to show before `solon train` learns from it",
    )
