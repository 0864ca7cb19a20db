"""One YAML file that says a whole run: `Recipe`, its sections and keys.

What a key means is said once, in the fields below; docs/recipes.md and the JSON Schema are made of them.
`solon.loaded_recipe` reads it.
"""

from operator import attrgetter
from pathlib import Path
from typing import Literal, cast

from pydantic import Field, field_validator, model_validator

from constitution.document import Section
from constitution.model import Slug, Text
from critique.model import CritiqueSettings
from engine.settings import ModelSettings
from evaluation.settings import MeasureSettings, SuiteSettings
from labeling.audit.settings import AuditSettings
from labeling.settings import LabelingSettings
from prompts.render import Family
from solon.stage import LEARN_FROM_LABELS, SECTIONS, Stage
from training.settings import OnlineSettings, TrainingSettings

ROLES = frozenset({"assistant", "critic", "judge", "policy", "model", "reference", "rater"})
"""What a run calls the models that are no further judges of a panel."""


class PromptSettings(Section):
    """Which templates speak to the models."""

    family: Family = Field(
        default="chat", description="chat: instruct models; transcript: base models (Human/Assistant turns)"
    )
    folder: Path | None = Field(
        default=None, description="a folder of `.j2` templates; each one there replaces Solon's of that name"
    )


class Source(Section):
    """Where prompts come from."""

    path: Text = Field(
        description="a .jsonl, .json, .csv or .parquet file (.jsonl, .json and .csv also with .gz), a folder "
        "that `datasets` saved, or an id on the Hugging Face Hub"
    )
    split: Text = Field(default="train", description="the split, where the data has splits")
    config: Text | None = Field(default=None, description="the configuration, where a Hub data set has many")
    limit: int | None = Field(default=None, ge=1, description="take this many from the start; all, if null")


class DataSettings(Section):
    """The prompts to learn from. None of them may be among the held-out ones of `evaluation`."""

    red_team: Source | None = Field(
        default=None,
        description="prompts whose answers are critiqued and revised; null: none, and online methods alone",
    )
    helpful: Source | None = Field(
        default=None, description="prompts to go on answering; the assistant's own answers to them are kept"
    )
    prompts: Source | None = Field(
        default=None,
        description="prompts that the online methods answer, with the columns that verifiers read; null: the "
        "red-team prompts, and a share of the helpful ones",
    )
    demonstrations: Source | None = Field(
        default=None,
        description="conversations that SFT learns from as they are, beside what critique made: `messages` "
        "that end with the assistant's turn",
    )

    @model_validator(mode="after")
    def _has_prompts(self) -> "DataSettings":
        if self.red_team is None and self.prompts is None and self.demonstrations is None:
            raise ValueError(
                "give `red_team` (or `prompts`, for the online methods alone, or `demonstrations`, for SFT)"
            )
        if self.helpful is not None and self.red_team is None:
            raise ValueError("`helpful` prompts go with `red_team` ones: give those too")
        return self


class ModelsSettings(Section):
    """Who answers, and who critiques, revises and judges."""

    assistant: ModelSettings = Field(
        default_factory=ModelSettings, description="the model that answers and is trained"
    )
    judge: ModelSettings | None = Field(
        default=None,
        description="the model that critiques, revises and judges; null: the assistant. A reward model "
        "(`engine: reward`) judges alone, and the assistant critiques and revises",
    )
    panel: dict[Slug, ModelSettings] = Field(
        default_factory=dict, description="more judges, by names that `labeling.judges` gives them a vote by"
    )

    @field_validator("panel")
    @classmethod
    def _none_is_a_role(cls, panel: dict[str, ModelSettings]) -> dict[str, ModelSettings]:
        taken = next((name for name in panel if name in ROLES), None)
        if taken is not None:
            raise ValueError(f"`{taken}` is a model of every run: give the judge another name")
        return panel


class EvaluationSettings(MeasureSettings):
    """The measurement before and after, on prompts that no stage has seen (docs/evaluation.md)."""

    harmful: Source | None = Field(
        default=None, description="short for a suite `harmful` of that kind; its limit takes from the start"
    )
    harmless: Source | None = Field(default=None, description="likewise: prompts that ought to be answered")

    @model_validator(mode="after")
    def _has_suites(self) -> "EvaluationSettings":
        short = {name for name in ("harmful", "harmless") if getattr(self, name) is not None}
        if not short and not self.suites:
            raise ValueError(
                "no suites: there is nothing to measure on; add `suites: {NAME: {path: FILE}}`, or one that "
                "ships with Solon, `suites: {harmful: {path: solon-harmful}}`"
            )
        twice = short & set(self.suites)
        if twice:
            raise ValueError(f"`{min(twice)}` is there twice: as a key, and among `suites`")
        return self

    @property
    def named(self) -> dict[str, SuiteSettings]:
        """Every suite by its name; the two short ones come first."""
        short = {
            name: _suite(source, name) for name in ("harmful", "harmless") if (source := getattr(self, name))
        }
        return short | self.suites


def _suite(source: "Source", kind: Literal["harmful", "harmless"]) -> SuiteSettings:
    return SuiteSettings(
        path=source.path, kind=kind, format="solon", split=source.split, config=source.config
    )


class Recipe(Section):
    """A whole run. Relative paths start at the folder that the recipe is in."""

    name: Slug = Field(description="lower-case letters, digits and hyphens; `runs/<name>` is the run folder")
    seed: int = Field(
        default=0, ge=0, lt=2**31, description="everything that is drawn is drawn from this number"
    )
    constitution: Text = Field(
        description="a constitution that ships with Solon, by its name, or the path of a YAML file"
    )
    prompts: PromptSettings = Field(
        default_factory=PromptSettings, description="the templates that speak to the models"
    )
    data: DataSettings | None = Field(
        default=None, description="the prompts to learn from; null: the recipe audits a judge, and no more"
    )
    models: ModelsSettings = Field(default_factory=ModelsSettings, description="who answers and who judges")
    critique: CritiqueSettings = Field(
        default_factory=CritiqueSettings, description="answers, critiques and revisions"
    )
    audit: AuditSettings | None = Field(
        default=None, description="the judge against people's labels, which gates training; null: none"
    )
    unaudited: bool = Field(
        default=False,
        description="train on the judge's labels although no audit speaks for it; the cards say so first",
    )
    labeling: LabelingSettings | None = Field(
        default=None, description="preference pairs and their labels; null: none are made"
    )
    training: TrainingSettings = Field(
        default_factory=TrainingSettings, description="what is trained on the datasets"
    )
    evaluation: EvaluationSettings | None = Field(
        default=None, description="the measurement before and after; null: none"
    )

    @property
    def stages(self) -> tuple[Stage, ...]:
        """The stages that the recipe has, in their order; without data nothing is learned."""
        return tuple(stage for stage in SECTIONS if self.section(stage) is not None and self._has_data(stage))

    def _has_data(self, stage: Stage) -> bool:
        """Whether there are prompts that the stage could work on, and pairs to label."""
        if self.data is None:
            return stage in ("audit", "evaluate")
        if stage == "label":
            return self.labeling is not None and bool(self.labeling.pairs)
        return self.data.red_team is not None or stage != "critique"

    def section(self, stage: Stage) -> Section | None:
        """What describes the stage; None where the recipe leaves it out."""
        return cast("Section | None", attrgetter(SECTIONS[stage])(self))

    @property
    def gated(self) -> bool:
        """Whether a judge decides what is learned, so that its audit has to speak for it."""
        return bool(self.learns_from_judge) and not self.unaudited

    @property
    def learns_from_judge(self) -> tuple[Stage, ...]:
        """The stages that learn from labels that a judge decides, or ask it while they train."""
        labels = self.labeling is not None and self.labeling.judge_decides
        return tuple(stage for stage in self.stages if self._learns_from_judge(stage, labels=labels))

    def _learns_from_judge(self, stage: Stage, *, labels: bool) -> bool:
        settings = self.section(stage)
        if isinstance(settings, OnlineSettings):
            return settings.asks_judge or (settings.uses_run and labels)
        return stage in LEARN_FROM_LABELS and labels

    @property
    def asks_online(self) -> tuple[Stage, ...]:
        """The stages that ask the judges while they train."""
        return tuple(stage for stage in self.stages if self._asks_online(stage))

    def _asks_online(self, stage: Stage) -> bool:
        settings = self.section(stage)
        return isinstance(settings, OnlineSettings) and settings.asks_judge

    @property
    def trained_on_labels(self) -> tuple[Stage, ...]:
        """The stages that learn from labels."""
        return tuple(stage for stage in self.stages if stage in LEARN_FROM_LABELS)

    @model_validator(mode="after")
    def _has_work(self) -> "Recipe":
        if self.data is None and self.audit is None and self.evaluation is None:
            raise ValueError(
                "`data` is missing: the prompts to learn from (or `audit:`, to audit a judge alone, or "
                "`evaluation:`, to measure a model)"
            )
        return self
