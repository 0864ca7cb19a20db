"""What `solon evaluate` is asked for: runs, pooled where there are several, or models by themselves.

In: the command line's words. Out: everything checked before a model loads; records and a report in a folder
of their own. One run with its own suites is evaluated in its own folder, as its last stage (`solon.run`).
"""

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast, get_args

from constitution.document import parse_document, validate
from evaluation.model import Evaluation, SuiteKind
from evaluation.pooled import pooled
from evaluation.settings import SuiteSettings
from evaluation.suites import SHIPPED
from pipeline.gate import Stop
from solon.asking import Asking, open_journal
from solon.audit import DEFAULT_CONSTITUTION
from solon.checkpoints import Evaluated, of_models, of_run, require_run
from solon.console import Reporter
from solon.errors import BadInputError
from solon.evaluate import Measurement
from solon.loaded_recipe import LoadedRecipe
from solon.overrides import override
from solon.progress import Progress
from solon.recipe import EvaluationSettings, Recipe
from solon.report import report_on
from solon.run_folder import RunFolder, load_run_recipe, open_run_folder
from solon.validate import problems

NAME = "evaluation"


@dataclass(frozen=True, slots=True)
class Target:
    """Models to measure together: a run's, or those that were named; `run` names the run in a pool."""

    loaded: LoadedRecipe
    source: RunFolder
    models: tuple[Evaluated, ...]
    run: str = ""


def suites_of(words: Sequence[str]) -> dict[str, SuiteSettings]:
    """`--suite [KIND=]PATH`: suites by names made of their paths; relative paths start where we are.

    Raises:
        BadInputError: two suites have one name.
    """
    found: dict[str, SuiteSettings] = {}
    for word in words:
        kind, mark, path = word.partition("=")
        said = bool(mark) and kind in get_args(SuiteKind)
        path = path if said else word
        name = _slug(Path(path).name.partition(".")[0])
        if name in found:
            raise BadInputError(f"--suite {word}: there is a suite `{name}` already; rename the file")
        given = Path(path).expanduser()
        place = path if path in SHIPPED or not given.exists() else str(given.absolute())
        found[name] = SuiteSettings(path=place, kind=cast("SuiteKind", kind) if said else None)
    return found


def runs(
    paths: Sequence[Path], suites: Mapping[str, SuiteSettings], *, overrides: Sequence[str] = ()
) -> list[Target]:
    """The runs in these folders, measured on the suites that are given, or on those of the first run.

    Raises:
        BadInputError: a folder holds no run, a run lacks a model, or has nothing to be measured on.
        DocumentError: what the recipe or the command line says is not sound.
    """
    folders = [require_run(path) for path in paths]
    names = _run_names(paths) if len(paths) > 1 else [""]
    first = _measured(load_run_recipe(folders[0], overrides), suites)
    settings = first.recipe.evaluation
    if settings is None:
        raise BadInputError(
            f"{folders[0].recipe}: the run has no `evaluation` section\n"
            "  next: name prompts to measure on, as in --suite harmful=FILE"
        )
    settings = _with_absolute_paths(settings, first)
    return [_of_run(folder, settings, run=name) for folder, name in zip(folders, names, strict=True)]


def models(
    names: Sequence[str], suites: Mapping[str, SuiteSettings], *, overrides: Sequence[str] = ()
) -> list[Target]:
    """Models by themselves; the first is the base. Without suites, those that ship with Solon.

    Raises:
        BadInputError: a model is not there, or the settings do not go together.
        DocumentError: what the command line says is not sound.
    """
    found = of_models(names, base=Path.cwd())
    chosen = suites or {name.removeprefix("solon-"): SuiteSettings(path=name) for name in SHIPPED}
    document = {
        "name": NAME,
        "constitution": DEFAULT_CONSTITUTION,
        "models": {"assistant": found[0].model.model_dump(mode="json")},
        "evaluation": {"suites": {name: suite.model_dump(mode="json") for name, suite in chosen.items()}},
    }
    parsed = override(parse_document(json.dumps(document), "the command line"), overrides)
    loaded = LoadedRecipe(validate(parsed, Recipe), Path.cwd() / f"{NAME}.yaml", tuple(overrides))
    return [Target(loaded, RunFolder(Path("runs") / NAME), tuple(found))]


def require_sound(targets: Sequence[Target], out: Path) -> None:
    """Everything that can be found out before a model loads; `BadInputError` with all of it."""
    found: list[str] = []
    for target in targets:
        found += problems(target.loaded, out, accept_changes=True)
    if found:
        raise BadInputError("\n\n".join(dict.fromkeys(found)))


def evaluate(targets: Sequence[Target], out: Path, reporter: Reporter, *, stop: Stop) -> Path:
    """Measure every target's models, pool what is found, and write the report; gives its path.

    Raises:
        StoppedError: `stop` was asked; everything that had come is kept.
        RunFolderError: the folder holds something else.
    """
    folder = open_run_folder(out, targets[0].loaded)
    journals = [target.source.answers for target in targets]
    with open_journal(folder.answers, reporter, also=journals) as journal:
        progress = Progress(folder.progress)
        progress.go_on(journal)
        asking = Asking(journal, progress, reporter, stop)
        found = asyncio.run(_measured_all(targets, folder, asking))
    return report_on(found, [target.source for target in targets], folder.path, reporter=reporter)


def default_out(targets: Sequence[Target]) -> Path:
    """`runs/<name>-evaluation`, or `runs/evaluation` for models by themselves."""
    name = targets[0].loaded.recipe.name
    return Path("runs") / (name if name == NAME else f"{name}-{NAME}")


async def _measured_all(targets: Sequence[Target], folder: RunFolder, asking: Asking) -> Evaluation:
    loop = asyncio.get_running_loop()
    # A signal's handler runs between two steps of the loop: this wakes it to take them.
    asking.stop.then(lambda: loop.call_soon_threadsafe(lambda: None))
    found = []
    for target in targets:
        place = folder.evaluation / target.run if target.run else folder.evaluation
        measurement = Measurement(target.loaded, target.models, asking, place, target.source, run=target.run)
        found.append(await measurement.record())
    return pooled(found)


def _of_run(folder: RunFolder, settings: EvaluationSettings, *, run: str) -> Target:
    """A run's models, to be measured as these settings say."""
    own = load_run_recipe(folder)
    models = tuple(of_run(own, folder, run=run))
    recipe = own.recipe.model_copy(update={"evaluation": settings})
    return Target(LoadedRecipe(recipe, own.path), folder, models, run)


def _with_absolute_paths(settings: EvaluationSettings, loaded: LoadedRecipe) -> EvaluationSettings:
    """The same suites for recipes in other folders; what is no file here stays as it is named."""

    def found(path: str) -> str:
        return str(loaded.resolve(path)) if path not in SHIPPED and loaded.resolve(path).exists() else path

    suites = {
        name: suite.model_copy(update={"path": found(suite.path)}) for name, suite in settings.suites.items()
    }
    short = {
        name: source.model_copy(update={"path": found(source.path)})
        for name, source in (("harmful", settings.harmful), ("harmless", settings.harmless))
        if source is not None
    }
    return settings.model_copy(update={"suites": suites, **short})


def _measured(loaded: LoadedRecipe, suites: Mapping[str, SuiteSettings]) -> LoadedRecipe:
    """The recipe with these suites in place of its own, where there are any."""
    if not suites:
        return loaded
    before = loaded.recipe.evaluation or EvaluationSettings(suites=dict(suites))
    settings = before.model_copy(update={"suites": dict(suites), "harmful": None, "harmless": None})
    recipe = loaded.recipe.model_copy(update={"evaluation": settings})
    return LoadedRecipe(recipe, loaded.path, loaded.overrides)


def _run_names(paths: Sequence[Path]) -> list[str]:
    """The folders' names, with their parents' where two are called alike."""
    plain = [path.resolve().name for path in paths]
    if len(set(plain)) == len(plain):
        return plain
    longer = [f"{path.resolve().parent.name}-{path.resolve().name}" for path in paths]
    if len(set(longer)) < len(longer):
        raise BadInputError(f"one run is named twice: {', '.join(map(str, paths))}")
    return longer


def _slug(name: str) -> str:
    plain = "".join(mark if mark.isascii() and mark.isalnum() else "-" for mark in name.lower())
    return "-".join(filter(None, plain.split("-"))) or "suite"
