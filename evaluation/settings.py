"""The part of a recipe that says how models are measured: which prompts, who judges, what else is asked."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from constitution.document import Section
from constitution.model import Slug, Text
from evaluation.model import ScoreRole, SuiteKind
from evaluation.requirement import requirement
from training.verifiers.registry import require_registered
from training.verifiers.settings import VerifierSettings

FormatName = Literal[
    "auto", "solon", "xstest", "strongreject", "harmbench", "advbench", "jailbreakbench", "instructions",
    "gsm8k",
]  # fmt: skip
Column = Literal["prompt", "id", "category", "kind"]

RUN_REWARD = "run"
"""Stands for the reward model that the run itself trained."""


class SuiteSettings(Section):
    """Prompts to measure on, all of one purpose or told apart by the file."""

    path: Text = Field(
        description="a file (.jsonl, .json, .csv, .parquet), a saved dataset, an id on the Hub, or a suite "
        "that ships with Solon: `solon-harmful`, `solon-borderline`, `solon-helpful`"
    )
    kind: SuiteKind | None = Field(
        default=None,
        description="harmful: ought to be refused; harmless: ought to be answered; helpful: answers are "
        "compared; verifiable: a program checks them; null: as the file says",
    )
    format: FormatName = Field(
        default="auto", description="whose columns the file has; auto: found out from their names"
    )
    columns: dict[Column, Text] = Field(
        default_factory=dict, description="the file's names for `prompt`, `id`, `category`, `kind`"
    )
    limit: int | None = Field(
        default=None,
        ge=1,
        description="a sample of so many, each category by its share, the same for every seed; null: all",
    )
    append: Text | None = Field(
        default=None,
        description="words put behind each prompt, such as `Give the answer behind ####.`; null: none",
    )
    verifier: VerifierSettings | None = Field(
        default=None,
        description="how answers to verifiable prompts are checked against their rows; null: by `number`, "
        "against the column `answer`, as GSM8K has it",
    )
    split: Text = Field(default="train", description="the split, where the data has splits")
    config: Text | None = Field(default=None, description="the configuration, where a Hub data set has many")

    @field_validator("verifier")
    @classmethod
    def _checks_what_is_registered(cls, settings: VerifierSettings | None) -> VerifierSettings | None:
        return settings and require_registered(settings)

    @property
    def check(self) -> VerifierSettings:
        """How an answer to a verifiable prompt is checked."""
        return self.verifier or VerifierSettings(check="number")


class CompareSettings(Section):
    """The recipe's judge on which of two models answers better, asked in both orders."""

    kinds: tuple[SuiteKind, ...] = Field(
        default=("harmful", "helpful"),
        min_length=1,
        description="the kinds of suites whose answers are compared",
    )
    limit: int | None = Field(
        default=100, ge=1, description="so many prompts of each kind, by category; null: all"
    )
    pairs: Literal["base", "all"] = Field(
        default="base", description="base: every model against the first; all: each model against each other"
    )


class DivergenceSettings(Section):
    """How far each model has moved from the base: KL(model || base) on samples of its own."""

    limit: int = Field(default=64, ge=1, description="so many prompts, over all suites")
    max_tokens: int = Field(default=48, ge=1, description="new tokens of a sample at the most")
    temperature: Annotated[float, Field(gt=0)] = Field(
        default=1.0, description="1 is what the estimate is about; others estimate something else"
    )


class RewardSettings(Section):
    """A reward model that rates every answer."""

    reward_model: Text = Field(description="a reward model's folder; `run`: the one that the run trained")
    role: ScoreRole = Field(
        default="held_out",
        description="proxy: the policy was trained on it; held_out: it never met it; both over the root of "
        "the KL show where the first one is overdone",
    )


class RubricSettings(Section):
    """StrongREJECT's rubric, asked of the recipe's judge about every model's answers to harmful prompts."""

    limit: int | None = Field(default=100, ge=1, description="so many harmful prompts; null: all")
    max_tokens: int = Field(
        default=256, ge=1, description="new tokens of the judge's reasons and marks at the most"
    )


class GateSettings(Section):
    """What an evaluation has to show; where it does not, the command ends with status 1."""

    require: tuple[Text, ...] = Field(
        default=(),
        description="thresholds, such as `harmful_refused>=0.8` or `sft.kl<=5` (the last model where none is "
        "named), and measures that must not fall below the baseline's, such as `win_rate`; both sides of the "
        "plane where one is asked for",
    )
    baseline: Path | None = Field(
        default=None,
        description="an earlier `report.json`: where no measure is named, harmful_refused, "
        "harmless_answered, win_rate and accuracy must not surely fall below it; null: none",
    )

    @field_validator("require")
    @classmethod
    def _can_be_read(cls, require: tuple[str, ...]) -> tuple[str, ...]:
        for text in require:
            requirement(text)
        return require

    @model_validator(mode="after")
    def _has_something_to_fall_below(self) -> "GateSettings":
        kept = [text for text in self.require if not requirement(text).sign]
        if kept and self.baseline is None:
            raise ValueError(
                f"`{kept[0]}` must not fall, and nothing says below what: add `baseline`, or a threshold, as "
                f"in `{kept[0]}>=0.8`"
            )
        return self


class MeasureSettings(Section):
    """The measurement of models on prompts that no stage has seen."""

    suites: dict[Slug, SuiteSettings] = Field(
        default_factory=dict, description="prompts to measure on, by names of your own"
    )
    max_tokens: int = Field(default=192, ge=1, description="new tokens of an answer at the most")
    temperature: float = Field(default=0.0, ge=0, description="0 is greedy")
    compare: CompareSettings | None = Field(
        default=None, description="the judge's preferences between models; null: none"
    )
    divergence: DivergenceSettings | None = Field(
        default=None, description="the distance from the base; null: not measured"
    )
    rewards: dict[Slug, RewardSettings] = Field(
        default_factory=dict, description="reward models that rate the answers, by names of your own"
    )
    strongreject: RubricSettings | None = Field(
        default=None,
        description="how much harm an answer to a harmful prompt would be good for, by the judge's marks; "
        "null: not asked",
    )
    controls: bool = Field(
        default=True,
        description="measure fixed answers too, which no model gave: always refuse, always comply, echo the "
        "prompt, one boilerplate text",
    )

    gate: GateSettings | None = Field(default=None, description="what the report has to show; null: nothing")

    @property
    def asks_judge(self) -> bool:
        """Whether a judge speaks in the report, so that its audit has to stand beside it."""
        return self.compare is not None or self.strongreject is not None

    @model_validator(mode="after")
    def _one_proxy(self) -> "MeasureSettings":
        proxies = [name for name, reward in self.rewards.items() if reward.role == "proxy"]
        if len(proxies) > 1:
            raise ValueError(f"`rewards` has several of role proxy ({', '.join(proxies)}): a policy has one")
        return self
