"""A recipe as commands have it: read from its file and `--set` overrides, what it names found from there.

In: a recipe's file and overrides. Out: a `LoadedRecipe`, which tells every path absolute, and every model and
source by its place in the recipe. Every command but `init` and `constitution` starts here.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from constitution.document import read_document, validate
from constitution.load import find, load
from constitution.model import Constitution
from engine.settings import ModelSettings
from evaluation.settings import SuiteSettings
from evaluation.suites import shipped_path
from labeling.model import JUDGE
from labeling.settings import LabelingSettings
from prompts.render import Prompts
from solon.overrides import override
from solon.recipe import DataSettings, Recipe, Source
from solon.stage import Stage
from training.reward_part import RUN, RewardPart
from training.settings import OnlineSettings

FILE_NAME = "recipe.yaml"

SUITES = "evaluation.suites."
"""Where a recipe's suites stand, before their names."""


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
