"""What can be evaluated: the models of a run, its trainings' intermediate checkpoints, models from elsewhere.

In: a run's recipe and folder, or what stands on the command line. Out: checkpoints with the settings that
reach them, base first. What is missing is told before anything loads.
"""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast, get_args

from constitution.document import nearest
from engine.settings import ModelSettings
from evaluation.model import Checkpoint, CheckpointKind
from pipeline.rows import names_beside
from solon.errors import BadInputError
from solon.loaded_recipe import LoadedRecipe
from solon.models import model_problems
from solon.run_folder import RunFolder
from solon.stage import POLICIES
from training.model import CHECKPOINTS, TRAINER_STATE
from training.settings import MethodName

BASE = "base"
_STEP = re.compile(r"checkpoint-(\d+)")
_PARTIAL = ".partial"


@dataclass(frozen=True, slots=True)
class Evaluated:
    """A checkpoint and how it is reached."""

    checkpoint: Checkpoint
    model: ModelSettings

    @property
    def name(self) -> str:
        return self.checkpoint.name


def base_of(loaded: LoadedRecipe, *, run: str = "") -> Evaluated:
    """The assistant as it was before any training."""
    model = loaded.assistant
    return Evaluated(Checkpoint(BASE, "base", model.model, run, loaded.recipe.seed), model)


def of_run(loaded: LoadedRecipe, folder: RunFolder, *, run: str = "") -> list[Evaluated]:
    """The base, then each trained policy with its intermediate checkpoints before it.

    Raises:
        BadInputError: a model that the recipe trains is not there.
    """
    found = [base_of(loaded, run=run)]
    missing: list[str] = []
    for method in POLICIES:
        if method not in loaded.recipe.stages:
            continue
        out = folder.model(method)
        found += _steps(loaded, out, method=method, run=run)
        if out.is_dir():
            kind = cast("CheckpointKind", method if method in get_args(CheckpointKind) else "model")
            found.append(_evaluated(loaded, out, Checkpoint(method, kind, str(out), run, loaded.recipe.seed)))
        else:
            missing.append(
                f"{out}: the run has no model there yet\n  next: solon train {method} {loaded.path}"
            )
    if missing:
        raise BadInputError("\n".join(missing))
    return found


def reached(loaded: LoadedRecipe, folder: Path) -> ModelSettings:
    """The assistant as it was left in a folder: an adapter to put on it, or a model of its own."""
    if (folder / "adapter_config.json").exists():
        return loaded.assistant.model_copy(update={"adapter": folder.resolve()})
    return loaded.assistant.model_copy(update={"model": str(folder.resolve()), "adapter": None})


def of_models(names: Sequence[str], *, base: Path) -> list[Evaluated]:
    """Models that were named by themselves; the first is the base that the others are held against.

    Raises:
        BadInputError: one is not there, or two have one name.
    """
    first = _settings(names[0], base, on=None)
    found = [Evaluated(Checkpoint(BASE, "base", names[0]), first)]
    taken = {BASE}
    for name in names[1:]:
        called = _called(name, taken)
        found.append(Evaluated(Checkpoint(called, "model", name), _settings(name, base, on=first)))
    problems = [problem for each in found for problem in model_problems(each.model, each.checkpoint.path)]
    if problems:
        raise BadInputError("\n".join(problems))
    return found


def require_run(path: Path) -> RunFolder:
    """The folder of a run; `BadInputError` where it is none."""
    folder = RunFolder(path)
    if not is_run(path):
        near = nearest(path.name, names_beside(path))
        hint = f"\n  did you mean '{path.parent / near}'?" if near and near != path.name else ""
        raise BadInputError(f"{path}: holds no run{hint}\n  next: name a run's folder, such as runs/<name>")
    return folder


def is_run(path: Path) -> bool:
    folder = RunFolder(path)
    return folder.recipe.is_file() and folder.inputs.is_file()


def _steps(loaded: LoadedRecipe, out: Path, *, method: MethodName | str, run: str) -> Iterator[Evaluated]:
    """Kept checkpoints of a finished training, and those of one that is not finished, in the steps' order.

    That of the last step is the model itself, and is not measured twice.
    """
    last = _last_step(out)
    for place in (out / CHECKPOINTS, out.with_name(out.name + _PARTIAL) / CHECKPOINTS):
        steps = {
            int(match[1]): path
            for path in place.glob("checkpoint-*")
            if (match := _STEP.fullmatch(path.name)) and int(match[1]) != last
        }
        for step, path in sorted(steps.items()):
            if (path / "adapter_config.json").exists() or (path / "config.json").exists():
                name = f"{method}-step-{step}"
                yield _evaluated(
                    loaded, path, Checkpoint(name, "step", str(path), run, loaded.recipe.seed, step)
                )


def _last_step(out: Path) -> int | None:
    """Where a training that is finished ended; None of one that is not."""
    state = out / TRAINER_STATE
    return int(json.loads(state.read_text())["global_step"]) if state.is_file() else None


def _evaluated(loaded: LoadedRecipe, folder: Path, checkpoint: Checkpoint) -> Evaluated:
    return Evaluated(checkpoint, reached(loaded, folder))


def _settings(name: str, base: Path, *, on: ModelSettings | None) -> ModelSettings:
    """A model by its name or folder; an adapter is put on the first model, or on the embedded one."""
    folder = base / Path(name).expanduser()
    if (folder / "adapter_config.json").is_file():
        return (on or ModelSettings()).model_copy(update={"adapter": folder.resolve()})
    if folder.is_dir() or name.startswith((".", "/", "~")):
        return ModelSettings(model=str(folder.resolve()))
    return ModelSettings(model=name)


def _called(name: str, taken: set[str]) -> str:
    """The last part of a model's name; with its folder's where another one has it, numbered if need be."""
    path = Path(name)
    plain = re.sub(r"[^\w.-]+", "-", path.name) or "model"
    longer = re.sub(r"[^\w.-]+", "-", f"{path.parent.name}-{path.name}")
    options = [plain, longer, *(f"{plain}-{number}" for number in range(2, len(taken) + 3))]
    called = next(option for option in options if option not in taken)
    taken.add(called)
    return called
