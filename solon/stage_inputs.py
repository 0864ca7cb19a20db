"""What each stage is made from: one digest a stage, equal as long as nothing that it depends on changes.

In: the loaded recipe, the digests of its files, and what earlier stages made. A finished stage whose digest
is another one now is made again; that is how `--accept-changes` finds what a change touches.
"""

import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import get_args

from engine.settings import ModelSettings
from evaluation.grader import AGREEMENT
from labeling.pair_settings import Export
from labeling.settings import MAKING_PAIRS
from pipeline.shards import read_manifest
from solon.loaded_recipe import LoadedRecipe
from solon.progress import Progress
from solon.run_folder import RUN_ONLY, RunFolder
from solon.stage import LEARN_FROM_LABELS, ONLINE, POLICIES, Stage
from training.settings import MethodName, TrainerSettings

Part = Callable[[LoadedRecipe, Mapping[str, str]], dict[str, object]]
"""What a stage is made from, of the recipe and of its files' digests."""


def made_from(
    stage: Stage, loaded: LoadedRecipe, files: Mapping[str, str], *, folder: RunFolder, progress: Progress
) -> str:
    """The digest of a stage's inputs; `files` are those of `input_digests`."""
    parts = {"seed": loaded.recipe.seed} | _PARTS[stage](loaded, files)
    left_out = {"audit", *get_args(MethodName)} - set(loaded.recipe.stages)
    if stage in ONLINE and stage not in loaded.recipe.asks_online:
        left_out.add("audit")
    earlier = {name: _output(name, folder, progress) for name in _EARLIER[stage] if name not in left_out}
    text = json.dumps({"stage": stage, **parts, **earlier}, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def _audit(loaded: LoadedRecipe, files: Mapping[str, str]) -> dict[str, object]:
    settings = loaded.recipe.audit
    return {
        **_asking(files),
        "judges": {role: _model(settings) for role, settings in loaded.judges.items()},
        "labeling": loaded.labeling.model_dump(mode="json", exclude=set(MAKING_PAIRS)),
        "audit": settings.model_dump(mode="json", exclude={"labels", "min_confidence"}) if settings else None,
        "labels": {place: files[place] for place in loaded.human_labels},
    }


def _critique(loaded: LoadedRecipe, files: Mapping[str, str]) -> dict[str, object]:
    return {
        **_asking(files),
        "assistant": _model(loaded.assistant),
        "judge": _model(loaded.critic),
        "critique": loaded.recipe.critique.model_dump(mode="json"),
        "data": _data(loaded, files, "data.red_team", "data.helpful"),
    }


def _label(loaded: LoadedRecipe, files: Mapping[str, str]) -> dict[str, object]:
    settings = loaded.recipe.labeling
    return {
        **_asking(files),
        "assistant": _model(loaded.assistant),
        "judges": {role: _model(settings) for role, settings in loaded.judges.items()},
        "labeling": settings.model_dump(mode="json", exclude={"helpfulness": {"path"}}) if settings else None,
        "helpfulness": files.get("labeling.helpfulness"),
        "min_confidence": loaded.recipe.audit.min_confidence if loaded.recipe.audit else None,
        "unaudited": loaded.recipe.unaudited,
        "selection": loaded.recipe.critique.selection.model_dump(mode="json"),
    }


def _training(method: MethodName) -> Part:
    return lambda loaded, _files: _trained(loaded, getattr(loaded.recipe.training, method))


def _sft(loaded: LoadedRecipe, files: Mapping[str, str]) -> dict[str, object]:
    data = _data(loaded, files, "data.demonstrations")
    return {**_trained(loaded, loaded.recipe.training.sft), **({"data": data} if data else {})}


def _trained(loaded: LoadedRecipe, settings: TrainerSettings | None) -> dict[str, object]:
    return {"assistant": _model(loaded.assistant), "settings": settings.decisive() if settings else None}


def _online(stage: Stage) -> Part:
    def part(loaded: LoadedRecipe, files: Mapping[str, str]) -> dict[str, object]:
        settings = loaded.online(stage)
        asking = _judging(loaded, files) if settings is not None and settings.asks_judge else {}
        return {**_trained(loaded, settings), **asking, "data": _data(loaded, files, *loaded.asked_online)}

    return part


def _judging(loaded: LoadedRecipe, files: Mapping[str, str]) -> dict[str, object]:
    """What judges are asked by while a method trains, and what an audit makes of their answers."""
    return {
        **_asking(files),
        "judges": {role: _model(settings) for role, settings in loaded.judges.items()},
        "labeling": loaded.labeling.model_dump(mode="json", exclude=set(MAKING_PAIRS)),
        "min_confidence": loaded.recipe.audit.min_confidence if loaded.recipe.audit else None,
        "unaudited": loaded.recipe.unaudited,
    }


def _evaluate(loaded: LoadedRecipe, files: Mapping[str, str]) -> dict[str, object]:
    settings = loaded.recipe.evaluation
    return {
        "prompts": files["prompts"],
        "assistant": _model(loaded.assistant),
        "evaluation": settings.model_dump(mode="json", exclude={"gate"}) if settings else None,
        "data": _data(loaded, files, "evaluation."),
        "grader": AGREEMENT.version,
        **(_comparing(loaded, files) if settings and settings.asks_judge else {}),
    }


def _comparing(loaded: LoadedRecipe, files: Mapping[str, str]) -> dict[str, object]:
    return {
        "constitution": files["constitution"],
        "judges": {role: _model(settings) for role, settings in loaded.judges.items()},
        "labeling": loaded.labeling.model_dump(mode="json", exclude=set(MAKING_PAIRS)),
    }


_PARTS: Mapping[Stage, Part] = {
    **{method: _training(method) for method in get_args(MethodName)},
    "audit": _audit,
    "critique": _critique,
    "sft": _sft,
    "label": _label,
    **{stage: _online(stage) for stage in ONLINE},
    "evaluate": _evaluate,
}
_EARLIER: Mapping[Stage, tuple[str, ...]] = {
    "audit": ("votes",),
    "critique": (),
    "sft": ("SFT dataset",),
    "label": ("audit", "trajectories", "sft"),
    **{stage: (export, "sft") for stage, export in LEARN_FROM_LABELS.items()},
    **dict.fromkeys(ONLINE, ("audit", "reward", "sft")),
    "evaluate": (*POLICIES, "reward", "audit"),
}


def _output(name: str, folder: RunFolder, progress: Progress) -> str:
    """What an earlier stage made: its content, or for a model what it was made from."""
    folders = {
        "SFT dataset": folder.sft_dataset,
        "trajectories": folder.trajectories,
        **{export: folder.dataset(export) for export in get_args(Export)},
    }
    if name in ("audit", "votes"):
        return _content(folder.audit if name == "audit" else folder.votes)
    if name in folders:
        manifest = read_manifest(folders[name])
        return manifest.digest if manifest else ""
    stage = progress.stages.get(name)
    return stage.made_from if stage else ""


def _content(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest() if file.is_file() else ""


def _asking(files: Mapping[str, str]) -> dict[str, object]:
    return {"constitution": files["constitution"], "prompts": files["prompts"]}


def _model(settings: ModelSettings) -> dict[str, object]:
    return settings.model_dump(mode="json", exclude=set(RUN_ONLY))


def _data(loaded: LoadedRecipe, files: Mapping[str, str], *places: str) -> dict[str, object]:
    """The files whose place in the recipe begins as one of `places` does, and how they are read."""
    return {
        place: [source.model_dump(mode="json", exclude={"path"}), files[place]]
        for place, source in loaded.sources.items()
        if place.startswith(places)
    }
