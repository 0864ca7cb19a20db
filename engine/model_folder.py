"""What is in a model's or an adapter's folder, as one digest: the part of a fingerprint that follows content.

A folder that is moved or copied is the same model, and one whose weights, tokenizer or settings change is
another. So the digest covers what decides answers, never where it lies or who wrote it.
"""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import cast

WEIGHTS = ("*.safetensors", "*.bin")
TEXTS = ("*.jinja", "*.py", "merges.txt", "vocab.txt", "*.model", "*.tiktoken")
SETTINGS = (
    "config.json", "generation_config.json", "adapter_config.json", "chat_template.json", "tokenizer.json",
    "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json", "vocab.json",
)  # fmt: skip

WITHOUT_EFFECT = frozenset(
    {"_name_or_path", "name_or_path", "base_model_name_or_path", "transformers_version", "is_local"}
)
"""Keys of these settings that say where a model came from or what wrote it."""

WHOLE_FILE_LIMIT = 2 << 30
"""Larger weight files are read in samples, since reading tens of gigabytes would delay every start."""

SAMPLES, SAMPLE_BYTES = 64, 1 << 20
"""Of a large file: its first MiB, which names every tensor with shape and place, then one at each 64th.

Training changes weights in every layer, so that its trace is in some sample of a file of two gigabytes or
more. What it can miss is an edit of a few rows by hand.
"""


def content_digest(folder: Path) -> str:
    """SHA-256 (first 16 hex digits) over a folder's weights, tokenizer, chat template and settings.

    The same for a folder that is moved or copied. Cards, logs and samples beside the model are left out.
    """
    digest = hashlib.sha256()
    for path in _files(folder):
        digest.update(f"{path.name}\0".encode())
        digest.update(_digest(path))
    return digest.hexdigest()[:16]


def _files(folder: Path) -> list[Path]:
    patterns = (*WEIGHTS, *TEXTS, *SETTINGS)
    return sorted({path for pattern in patterns for path in folder.glob(pattern) if path.is_file()})


def _digest(path: Path) -> bytes:
    if path.name in SETTINGS:
        return hashlib.sha256(_settings(path)).digest()
    with path.open("rb") as file:
        if path.stat().st_size <= WHOLE_FILE_LIMIT:
            return hashlib.file_digest(file, "sha256").digest()
    digest = hashlib.sha256(str(path.stat().st_size).encode())
    for part in _samples(path):
        digest.update(part)
    return digest.digest()


def _samples(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        for offset in range(0, path.stat().st_size, path.stat().st_size // SAMPLES):
            file.seek(offset)
            yield file.read(SAMPLE_BYTES)


def _settings(path: Path) -> bytes:
    """The file's values in one order, without what has no effect; its bytes where it is no JSON object."""
    content = path.read_bytes()
    try:
        values: object = json.loads(content)
    except ValueError:
        return content
    if not isinstance(values, dict):
        return content
    named = cast("dict[str, object]", values)
    decisive = {name: value for name, value in named.items() if name not in WITHOUT_EFFECT}
    return json.dumps(decisive, sort_keys=True).encode()
