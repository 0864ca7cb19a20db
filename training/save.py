"""Everything that a finished stage leaves behind, written side by side into one folder.

`adapter_model.safetensors` or `model.safetensors`, the tokenizer with its chat template, `recipe.yaml`,
`README.md`, `samples.md`, `samples.jsonl`, `trainer_state.json`, `metrics.json`.
"""

import importlib.metadata
import json
import platform
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import cast

import yaml
from peft import PeftModel
from transformers import PreTrainedModel, PreTrainedTokenizerBase, Trainer

from engine.settings import ModelSettings
from training import processes
from training.load import public_name
from training.seams import REFERENCE_ADAPTER
from training.settings import TrainerSettings

VERSIONED = ("solon", "torch", "transformers", "trl", "peft", "accelerate", "datasets")


def save_weights(
    model: PreTrainedModel | PeftModel,
    tokenizer: PreTrainedTokenizerBase,
    folder: Path,
    *,
    base: str,
) -> None:
    """The trained adapter alone, or the whole model, as safetensors, and the tokenizer with its template."""
    if isinstance(model, PeftModel):
        # Without this argument PEFT may ask the Hub for the base's vocabulary.
        model.save_pretrained(str(folder), selected_adapters=["default"], save_embedding_layers=False)
        _name_base(folder / "adapter_config.json", base)
    else:
        model.config.use_cache = True
        model.save_pretrained(str(folder))
    tokenizer.save_pretrained(str(folder))


def save_divided(trainer: Trainer, tokenizer: PreTrainedTokenizerBase, folder: Path, *, base: str) -> None:
    """The same where each process holds a part of the weights; every process is to call this."""
    cast("PreTrainedModel", trainer.model).config.use_cache = True
    trainer.save_model(str(folder))
    processes.wait()
    if not processes.is_first():
        return
    shutil.rmtree(folder / REFERENCE_ADAPTER, ignore_errors=True)
    (folder / "training_args.bin").unlink(missing_ok=True)
    if (folder / "adapter_config.json").is_file():
        _name_base(folder / "adapter_config.json", base)
    tokenizer.save_pretrained(str(folder))


def write_recipe(
    folder: Path, stage: str, *, model: ModelSettings, settings: TrainerSettings, seed: int
) -> None:
    """`recipe.yaml`: every setting that was in force, and the versions that ran."""
    recipe = {
        "stage": stage,
        "seed": seed,
        "model": model.model_dump(mode="json"),
        "settings": settings.model_dump(mode="json"),
        "versions": {"python": platform.python_version(), **_versions()},
    }
    (folder / "recipe.yaml").write_text(yaml.safe_dump(recipe, sort_keys=False, allow_unicode=True))


def write_json(path: Path, content: Mapping[str, object]) -> None:
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def _name_base(config: Path, base: str) -> None:
    """PEFT writes the path that the base was loaded from, which for the embedded model is a cache folder."""
    content = cast("dict[str, object]", json.loads(config.read_text()))
    write_json(config, content | {"base_model_name_or_path": public_name(base)})


def _versions() -> dict[str, str]:
    versions: dict[str, str] = {}
    for name in VERSIONED:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            versions[name] = "not installed"
    return versions
