"""One YAML file that says a whole run: `Recipe`, and how it is read from a file and the command line.

In: a recipe's file and `--set` overrides. Out: a `LoadedRecipe`, the recipe with every path in it made
absolute where it is asked for. Every command but `init` and `constitution` starts here. What a key means is
said once, in the fields below; docs/recipes.md and the JSON Schema are made of them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from operator import attrgetter
from pathlib import Path
from typing import Literal, cast

from pydantic import Field, field_validator, model_validator

from constitution.document import Section, read_document, validate
from constitution.load import find, load
from constitution.model import Constitution, Slug, Text
from critique.model import CritiqueSettings
from engine.settings import ModelSettings
from evaluation.settings import MeasureSettings, SuiteSettings
from evaluation.suites import shipped_path
from labeling.audit.settings import AuditSettings
from labeling.model import JUDGE
from labeling.pair_settings import Export
from labeling.settings import LabelingSettings
from prompts.render import Family, Prompts
from solon.overrides import override
from training.reward_part import RUN, RewardPart
from training.settings import OnlineSettings, TrainingSettings

FILE_NAME = "recipe.yaml"

Stage = Literal[
    "audit", "critique", "sft", "label", "reward", "dpo", "orpo", "kto", "rrhf", "ppo", "grpo",
    "online_dpo", "evaluate",
]  # fmt: skip
"""What a run does, in this order; a stage whose section is null is left out."""

SECTIONS: Mapping[Stage, str] = {
    "audit": "audit",
    "critique": "critique",
    "sft": "training.sft",
    "label": "labeling",
    "reward": "training.reward",
    "dpo": "training.dpo",
    "orpo": "training.orpo",
    "kto": "training.kto",
    "rrhf": "training.rrhf",
    "ppo": "training.ppo",
    "grpo": "training.grpo",
    "online_dpo": "training.online_dpo",
    "evaluate": "evaluation",
}
"""The part of a recipe that each stage is described by, in the stages' order."""

LEARN_FROM_LABELS: Mapping[Stage, Export] = {
    "reward": "preferences",
    "dpo": "preferences",
    "orpo": "preferences",
    "kto": "unpaired",
    "rrhf": "ranked",
}
"""The stages that learn from labels, and the export of `labeling` that each of them reads."""

ONLINE: tuple[Stage, ...] = ("ppo", "grpo", "online_dpo")
"""The stages that learn from answers of their own to the recipe's prompts."""

POLICIES: tuple[Stage, ...] = ("sft", "dpo", "orpo", "kto", "rrhf", "ppo", "grpo", "online_dpo")
"""The stages that train a model which answers, and so is evaluated."""

SUITES = "evaluation.suites."
"""Where a recipe's suites stand, before their names."""

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


@dataclass(frozen=True)
class LoadedRecipe:
    """A recipe and where it was read; what it names is found from here.

    `constitution` and `prompts` raise `DocumentError` and `PromptError` where they cannot be read.
    """

    recipe: Recipe
    path: Path
    overrides: tuple[str, ...] = ()

    @property
    def folder(self) -> Path:
        """The folder where relative paths start."""
        return self.path.parent

    @cached_property
    def constitution(self) -> Constitution:
        return load(self.recipe.constitution, relative_to=self.folder)

    @cached_property
    def constitution_file(self) -> Path | None:
        """The constitution's file; None for a bare name that is not shipped."""
        return find(self.recipe.constitution, relative_to=self.folder)

    @cached_property
    def prompts(self) -> Prompts:
        settings = self.recipe.prompts
        return Prompts(settings.family, self.resolve(settings.folder) if settings.folder else None)

    @property
    def assistant(self) -> ModelSettings:
        """The assistant, its folders absolute."""
        return self._found(self.recipe.models.assistant)

    @property
    def judge(self) -> ModelSettings:
        """The judge, its folders absolute: the assistant where the recipe names none."""
        return self._found(self.recipe.models.judge or self.recipe.models.assistant)

    @property
    def critic(self) -> ModelSettings:
        """The model that critiques and revises: the judge, or the assistant where the judge only rates."""
        return self.assistant if self.judge.engine == "reward" else self.judge

    @property
    def judges(self) -> dict[str, ModelSettings]:
        """The models that vote on pairs or score, by role, their folders absolute; none where nobody does.

        Names that the recipe gives to no model are left out; `solon validate` reports them.
        """
        known = {JUDGE: self.judge, **self.recipe.models.panel}
        recipe, evaluation = self.recipe, self.recipe.evaluation
        compares = evaluation is not None and evaluation.asks_judge
        votes = recipe.labeling is not None or recipe.audit is not None or recipe.asks_online or compares
        names = self.labeling.judges if votes else ()
        return {name: self._found(known[name]) for name in names if name in known}

    @property
    def data(self) -> DataSettings:
        """The prompts to learn from, which every stage but the audit has; `ValueError` without any."""
        if self.recipe.data is None:
            raise ValueError(f"{self.path}: the recipe has no `data`")
        return self.recipe.data

    @property
    def labeling(self) -> LabelingSettings:
        """How the judge is asked: the defaults where the recipe does not say."""
        return self.recipe.labeling or LabelingSettings()

    @property
    def human_labels(self) -> dict[str, Path]:
        """The audit's files and folders by their place in the recipe."""
        paths = self.recipe.audit.labels if self.recipe.audit else ()
        return {f"audit.labels[{number}]": self.resolve(path) for number, path in enumerate(paths)}

    def online(self, stage: Stage) -> OnlineSettings | None:
        """How an online method trains, the folders of its reward models absolute; `run` is left as it is."""
        settings = self.recipe.section(stage)
        if not isinstance(settings, OnlineSettings):
            return None
        parts = tuple(self._found_part(part) for part in settings.reward_funcs)
        return settings.model_copy(update={"reward_funcs": parts})

    @property
    def asked_online(self) -> tuple[str, ...]:
        """The places of the prompts that online methods answer."""
        return ("data.prompts",) if self.data.prompts is not None else ("data.red_team", "data.helpful")

    @property
    def sources(self) -> dict[str, Source]:
        """The recipe's data by its place there: `data.red_team`, `evaluation.harmful` and so on."""
        data, evaluation = self.recipe.data, self.recipe.evaluation
        named = {
            "data.red_team": data.red_team if data else None,
            "data.helpful": data.helpful if data else None,
            "data.prompts": data.prompts if data else None,
            "data.demonstrations": data.demonstrations if data else None,
            "evaluation.harmful": evaluation.harmful if evaluation else None,
            "evaluation.harmless": evaluation.harmless if evaluation else None,
        }
        suites = {
            f"{SUITES}{name}": suite_source(suite)
            for name, suite in (evaluation.suites if evaluation else {}).items()
        }
        return {place: source for place, source in named.items() if source is not None} | suites

    @property
    def helpfulness(self) -> Path | None:
        """Where people's comparisons are that are mixed into the preferences; None where there are none."""
        settings = self.recipe.labeling.helpfulness if self.recipe.labeling else None
        return self.resolve(settings.path) if settings else None

    def resolve(self, path: str | Path) -> Path:
        """The path from the recipe's folder, `~` spelled out."""
        return self.folder / Path(path).expanduser()

    def _found_part(self, part: RewardPart) -> RewardPart:
        if part.reward_model in (None, RUN):
            return part
        return part.model_copy(update={"reward_model": str(self.resolve(str(part.reward_model)))})

    def _found(self, settings: ModelSettings) -> ModelSettings:
        found: dict[str, object] = {}
        if settings.engine != "openai" and is_folder(settings.model, self.folder):
            found["model"] = str(self.resolve(settings.model))
        if settings.adapter is not None:
            found["adapter"] = self.resolve(settings.adapter)
        return settings.model_copy(update=found)


def suite_source(suite: SuiteSettings) -> Source:
    """Where a suite's rows are; all of them, since its limit draws from the whole."""
    shipped = shipped_path(suite.path)
    return Source(path=str(shipped or suite.path), split=suite.split, config=suite.config)


def is_recipe(path: Path) -> bool:
    """Whether what stands for a recipe or a model is a recipe: a YAML file, or a folder that holds one.

    A trained model's folder holds the recipe that it was trained by, too, and is a model all the same.
    """
    model = any((path / name).is_file() for name in ("adapter_config.json", "config.json"))
    return path.suffix in {".yaml", ".yml"} or ((path / FILE_NAME).is_file() and not model)


def is_folder(model: str, base: Path) -> bool:
    """Whether a model's name means a folder: it is written as a path, or there is one of that name."""
    written_as_path = model.startswith((".", "/", "~"))
    return written_as_path or (model != "embedded" and (base / model).is_dir())


def load_recipe(path: Path, overrides: Sequence[str] = ()) -> LoadedRecipe:
    """Read a recipe, or the `recipe.yaml` of a folder; `DocumentError` lists everything that is wrong.

    Each override is `dotted.key=value`, its value in YAML.
    """
    path = Path(path).expanduser()
    path = (path / FILE_NAME if path.is_dir() else path).absolute()
    document = override(read_document(_shown(path)), overrides)
    return LoadedRecipe(validate(document, Recipe), path, tuple(overrides))


def _shown(path: Path) -> Path:
    """The path as a person writes it: from the working directory where it lies below."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
