"""Recipes of online methods for the tests of whole runs: a few short answers of a tiny model on the CPU."""

import gc
import json
from collections.abc import Iterable, Mapping
from pathlib import Path

SHORT: Mapping[str, object] = {
    "dtype": "float32", "batch_size": 2, "gradient_accumulation_steps": 1, "generation_batch_size": 4,
    "max_length": 256, "max_completion_length": 6, "logging_steps": 1,
}  # fmt: skip
"""Settings of a method that answers in six tokens and learns from four answers at a time."""

RED_TEAM = {"red_team": {"path": "red.jsonl"}}


def write_recipe(file: Path, model: Path, sections: Mapping[str, object]) -> None:
    """A recipe with these sections for the model, named as the file is; JSON, which is YAML too."""
    # The trainer collects garbage before every run, which takes seconds while all of torch is looked through.
    gc.freeze()
    assistant = {"model": str(model), "device": "cpu", "dtype": "float32"}
    always = {"name": file.stem, "constitution": "starter", "models": {"assistant": assistant}}
    file.write_text(json.dumps({**always, **sections}, indent=2))


def write_rows(file: Path, rows: Iterable[Mapping[str, object]]) -> None:
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))


def prompts(name: str, count: int) -> list[dict[str, object]]:
    return [{"id": f"{name}-{number}", "prompt": f"{name} {number}?"} for number in range(count)]
