"""A model whose weights are here: where they lie, how precisely they answer, and who they are.

A recipe's model settings come in; a folder or Hub id, a device, a dtype and a `Fingerprint` go out. Engines
that load weights, `solon serve` and training all ask here, so that one model has one fingerprint, whichever
of them answers, and its answers are found again by the others.
"""

import hashlib
import json
from pathlib import Path
from typing import cast

import torch
from transformers import AutoConfig, AutoTokenizer, PreTrainedTokenizerBase

from engine.embedded import MODEL as EMBEDDED_MODEL
from engine.embedded import NAME as EMBEDDED
from engine.embedded import embedded_model
from engine.model_folder import content_digest
from engine.protocol import EngineUnavailable, Fingerprint
from engine.settings import ModelSettings

_RANKS = (8, 16, 32, 64, 128, 256, 320, 512)


def pick_device(name: str) -> torch.device:
    if name != "auto":
        return torch.device(name)
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def pick_dtype(name: str, device: torch.device) -> torch.dtype:
    """`auto` follows the hardware, never a measurement, so that a machine always makes the same choice."""
    if name != "auto":
        return cast("torch.dtype", getattr(torch, name))
    if device.type == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16
    # AMX tiles multiply bfloat16 several times as fast as float32; without them bfloat16 is the slower one.
    return torch.bfloat16 if torch.cpu._is_amx_tile_supported() else torch.float32


def dtype_name(dtype: torch.dtype) -> str:
    """As recipes, fingerprints and vLLM write it: `bfloat16`."""
    return str(dtype).removeprefix("torch.")


def locate(model: str) -> str:
    """Where the weights are: the embedded model's folder, a folder, or a Hub id as it is."""
    return str(embedded_model()) if model == EMBEDDED else model


def adapter_rank(folder: Path) -> int:
    """The smallest rank that vLLM can be made ready for and that the LoRA adapter fits.

    Raises:
        EngineUnavailable: the folder's `adapter_config.json` names none.
    """
    try:
        rank = json.loads((folder / "adapter_config.json").read_text(encoding="utf-8"))["r"]
        return next(size for size in _RANKS if size >= int(rank))
    except (OSError, ValueError, TypeError, KeyError, StopIteration) as error:
        raise EngineUnavailable(
            f"{folder}: its adapter_config.json names no rank `r` up to {_RANKS[-1]} that vLLM could take; "
            "use the transformers engine, or another adapter"
        ) from error


def fingerprint(
    settings: ModelSettings, *, tokenizer: PreTrainedTokenizerBase, dtype: torch.dtype, commit: str = ""
) -> Fingerprint:
    """Of a folder its own name and its content, so that a model that was moved is asked nothing twice.

    `commit` is that of a model from the Hub; a folder has its content instead.
    """
    folder = Path(locate(settings.model))
    local = folder.is_dir()
    name = folder.resolve().name if local else settings.model
    template = json.dumps(tokenizer.chat_template, sort_keys=True)
    return Fingerprint(
        model=f"{EMBEDDED_MODEL} (embedded)" if settings.model == EMBEDDED else name,
        revision=content_digest(folder) if local else commit,
        adapter=content_digest(settings.adapter) if settings.adapter else "",
        dtype=dtype_name(dtype),
        chat_template=hashlib.sha256(template.encode()).hexdigest()[:16],
    )


def fingerprint_at_rest(settings: ModelSettings) -> Fingerprint:
    """That of a model that another process is to load: its tokenizer and its settings are read, no weights.

    Raises:
        EngineUnavailable: they are not there.
    """
    source, trust = locate(settings.model), settings.trust_remote_code
    try:
        tokenizer = AutoTokenizer.from_pretrained(settings.adapter or source, trust_remote_code=trust)
        config = AutoConfig.from_pretrained(source, trust_remote_code=trust)
    except (OSError, ValueError) as error:
        raise EngineUnavailable(not_loaded(settings, error)) from error
    dtype = pick_dtype(settings.dtype, pick_device(settings.device))
    commit = getattr(config, "_commit_hash", None) or ""
    return fingerprint(settings, tokenizer=tokenizer, dtype=dtype, commit=commit)


def not_loaded(settings: ModelSettings, error: Exception) -> str:
    """Why the weights cannot be loaded, and what to give instead."""
    reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    name = f"{settings.model} with adapter {settings.adapter}" if settings.adapter else settings.model
    return (
        f"model {name!r} cannot be loaded: {reason}\n"
        "give a folder that holds config.json and *.safetensors, an id on the Hugging Face Hub "
        "that this machine can reach, or `embedded`"
    )
