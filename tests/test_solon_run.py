"""The whole job on the real embedded model, small: from a constitution to two tuned models and a report."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.store import read_rows

QUICKSTART = Path(__file__).parent.parent / "recipes" / "quickstart"
SMALL = (
    "data.red_team.limit=4",
    "data.helpful.limit=4",
    "evaluation.harmful.limit=2",
    "evaluation.harmless.limit=2",
    "evaluation.max_tokens=16",
    "critique.examples=1",
    "critique.respond.max_tokens=16",
    "critique.helpful.max_tokens=16",
    "critique.critique.max_tokens=16",
    "critique.revise.max_tokens=24",
    # Short answers are cut off and small models repeat themselves; what is kept is another test's matter.
    "critique.selection={keep_cut_off: all, max_repetition: 1, max_similarity: 1, max_example_similarity: 1}",
    "labeling.pairs=[samples, revision, hard_negative]",
    "labeling.sample.max_tokens=12",
    # Samples are decided by the judge, and this one is at chance.
    "unaudited=true",
    "training.sft.epochs=1",
    "training.reward={held_out: 0.3}",
    "training.dpo.epochs=1",
)


def solon(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PYTHONPATH": str(QUICKSTART.parent.parent), "COLUMNS": "120"}
    return subprocess.run(
        [sys.executable, "-m", "solon", *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )


def run(folder: Path, *more: str) -> subprocess.CompletedProcess[str]:
    changes = [part for change in (*SMALL, *more) for part in ("--set", change)]
    return solon("run", str(QUICKSTART / "recipe.yaml"), "--out", "out", *changes, folder=folder)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory, embedded_model: Path) -> Path:
    folder = tmp_path_factory.mktemp("run")
    result = run(folder)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "report:" in result.stdout
    return folder / "out"


@pytest.mark.model
def test_the_run_leaves_every_output(finished: Path) -> None:
    for name in (
        "recipe.yaml",
        "data/sft/train-00000.parquet",
        "data/sft/README.md",
        "data/preferences/train-00000.parquet",
        "progress.json",
        "models/sft/adapter_model.safetensors",
        "models/reward/adapter_model.safetensors",
        "models/reward/reward.json",
        "models/dpo/adapter_model.safetensors",
        "models/dpo/README.md",
        "models/dpo/samples.md",
        "evaluation/base/part-00000.parquet",
        "report.md",
        "report.png",
    ):
        assert (finished / name).stat().st_size > 0, name


@pytest.mark.model
def test_the_datasets_say_where_every_row_comes_from(finished: Path) -> None:
    sft = read_rows(finished / "data" / "sft")
    assert {row["kind"] for row in sft} == {"red_team", "helpful"}
    assert all(row["journal_keys"] and row["constitution_digest"] for row in sft)
    pairs = read_rows(finished / "data" / "preferences")
    assert {"revision", "hard_negative"} <= {row["source"] for row in pairs}
    assert all(0.5 < float(str(row["chosen_probability"])) <= 1 for row in pairs)


@pytest.mark.model
def test_no_held_out_prompt_is_in_the_training_data(finished: Path) -> None:
    held_out = {
        json.loads(line).get("prompt")
        for name in ("red_team_heldout.jsonl", "harmless_heldout.jsonl")
        for line in (QUICKSTART / name).read_text().splitlines()
    } - {None}
    trained = (
        finished / "data" / "sft",
        finished / "data" / "preferences",
    )
    text = json.dumps([read_rows(path) for path in trained], ensure_ascii=False, default=str)
    assert not [prompt for prompt in held_out if json.dumps(prompt, ensure_ascii=False)[1:-1] in text]


@pytest.mark.model
def test_the_report_compares_base_sft_and_dpo(finished: Path) -> None:
    report = json.loads((finished / "report.json").read_text())
    assert [model["kind"] for model in report["models"]] == ["base", "sft", "dpo", *["control"] * 4]
    assert report["models"][0]["measures"]["harmful_refused"]["n"] == 2
    assert report["revisions"]["rounds"][0]["round"] == 0


@pytest.mark.model
def test_running_again_asks_nothing_and_a_lost_output_is_made_from_the_journal(finished: Path) -> None:
    trajectories = finished / "data" / "trajectories" / "part-00000.parquet"
    before = trajectories.read_bytes()
    shutil.rmtree(trajectories.parent)
    result = run(finished.parent)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "critique: 0 calls asked" in result.stdout
    assert "sft: done before" in result.stdout
    assert trajectories.read_bytes() == before


@pytest.mark.model
def test_other_settings_are_refused_with_a_diff_and_change_nothing(finished: Path) -> None:
    before = (finished / "recipe.yaml").read_bytes()
    result = run(finished.parent, "seed=5")
    assert result.returncode == 2
    assert "-seed: 0" in result.stderr
    assert "+seed: 5" in result.stderr
    assert "Traceback" not in result.stderr
    assert (finished / "recipe.yaml").read_bytes() == before
