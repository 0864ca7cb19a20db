"""Whether a folder holds a reward model, read off its settings: no weights are loaded, and no library."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import cast

HEADS = ("score", "classifier")
"""What the heads of models that classify are called: of decoders, of encoders."""


def brings_head(adapter: Path) -> bool:
    """Whether an adapter's folder holds a trained head beside its LoRA weights."""
    kept = _settings(adapter / "adapter_config.json").get("modules_to_save")
    return isinstance(kept, list) and not set(HEADS).isdisjoint(map(str, kept))


def outputs(model: Path) -> int | None:
    """How many numbers the model of a folder gives to a text; None where it is no classifier at all."""
    config = _settings(model / "config.json")
    architectures = config.get("architectures")
    named = [str(name) for name in architectures] if isinstance(architectures, list) else []
    if not any(name.endswith("ForSequenceClassification") for name in named):
        return None
    labels = config.get("id2label")
    return len(labels) if isinstance(labels, dict) else 2  # `transformers` leaves two labels out


def _settings(path: Path) -> Mapping[str, object]:
    """The file's JSON object; an empty one where it holds none."""
    try:
        content: object = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return cast("dict[str, object]", content) if isinstance(content, dict) else {}
