"""A model folder's digest follows what decides answers, and nothing else."""

import json
import os
import shutil
from pathlib import Path

import pytest

from engine.model_folder import WHOLE_FILE_LIMIT, content_digest

CONFIG = {"hidden_size": 64, "_name_or_path": "/home/a/model", "transformers_version": "5.17.0"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "model"
    made.mkdir()
    (made / "config.json").write_text(json.dumps(CONFIG))
    (made / "tokenizer.json").write_text("{}")
    (made / "chat_template.jinja").write_text("{{ messages }}")
    (made / "model-00001-of-00002.safetensors").write_bytes(b"first")
    (made / "model-00002-of-00002.safetensors").write_bytes(b"second")
    return made


def test_a_folder_that_is_moved_or_copied_keeps_its_digest(folder: Path, tmp_path: Path) -> None:
    digest = content_digest(folder)
    copied = Path(shutil.copytree(folder, tmp_path / "far" / "away"))
    moved = folder.rename(tmp_path / "other")
    assert content_digest(copied) == content_digest(moved) == digest


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("model-00002-of-00002.safetensors", "secund"),
        ("config.json", json.dumps({**CONFIG, "hidden_size": 65})),
        ("tokenizer.json", '{"model": 1}'),
        ("chat_template.jinja", "{{ messages }} "),
        ("generation_config.json", '{"eos_token_id": 2}'),
        ("pytorch_model.bin", "weights"),
    ],
)
def test_whatever_decides_answers_changes_the_digest(folder: Path, name: str, content: str) -> None:
    before = content_digest(folder)
    (folder / name).write_text(content)
    assert content_digest(folder) != before


def test_weights_that_change_places_change_the_digest(folder: Path) -> None:
    before = content_digest(folder)
    (folder / "model-00001-of-00002.safetensors").write_bytes(b"second")
    (folder / "model-00002-of-00002.safetensors").write_bytes(b"first")
    assert content_digest(folder) != before


def test_where_a_model_came_from_and_what_is_told_about_it_changes_nothing(folder: Path) -> None:
    before = content_digest(folder)
    moved = {"transformers_version": "5.18.0", "_name_or_path": "elsewhere", "hidden_size": 64}
    (folder / "config.json").write_text(json.dumps(moved, indent=2))
    (folder / "README.md").write_text("# A card")
    (folder / "metrics.json").write_text('{"seconds": 3}')
    assert content_digest(folder) == before


def test_an_adapters_base_is_named_elsewhere_and_its_scale_is_its_own(tmp_path: Path) -> None:
    digests = []
    for base, alpha in (("/a", 16), ("/b", 16), ("/a", 32)):
        config = {"base_model_name_or_path": base, "lora_alpha": alpha}
        (tmp_path / "adapter_config.json").write_text(json.dumps(config))
        digests.append(content_digest(tmp_path))
    assert digests[0] == digests[1] != digests[2]


def test_of_a_very_large_file_every_64th_part_is_looked_at(folder: Path) -> None:
    large = folder / "model-00001-of-00002.safetensors"
    with large.open("wb") as file:
        file.truncate(WHOLE_FILE_LIMIT + 64)  # a hole: it takes no room on the disk
    before = content_digest(folder)
    with large.open("r+b") as file:
        file.seek(os.path.getsize(large) // 64 * 40 + 5)
        file.write(b"x")
    assert content_digest(folder) != before
