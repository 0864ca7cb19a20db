"""Experiment trackers: the real packages are told a run, or what is missing is said before all else."""

import json
import os
import subprocess
import sys
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import get_args

import pytest
from training_fixtures import SFT_ROWS, sft_settings, tiny, tiny_model

from training.model import Trained, TrainingError
from training.settings_trainer import Tracker
from training.sft import train_sft
from training.trackers import PACKAGES, lacking, own_run

__all__ = ["tiny_model"]

ROOT = Path(__file__).parent.parent
TRACKERS = [name for name in get_args(Tracker) if name != "none"]


def needs(package: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(find_spec(package) is None, reason=f"{package} is not installed")


def train(model: Path, out: Path, tracker: str) -> Trained:
    return train_sft(
        SFT_ROWS,
        model=tiny(model),
        settings=sft_settings(report_to=tracker),
        out=out,
        seed=7,
        card={"recipe": "watched"},
        samples=[],
    )


def test_every_tracker_has_its_packages() -> None:
    assert set(PACKAGES) == set(get_args(Tracker))
    assert lacking("none") == ""


@pytest.mark.parametrize("tracker", TRACKERS)
def test_a_tracker_that_is_not_installed_is_told_before_anything_is_written(
    tracker: Tracker, tiny_model: Path, tmp_path: Path
) -> None:
    if not lacking(tracker):
        pytest.skip(f"{tracker} is installed")
    with pytest.raises(TrainingError, match=f"report_to: {tracker} needs the package") as told:
        train(tiny_model, tmp_path / "out", tracker)
    assert f"run: pip install {tracker}, or set report_to: none" in str(told.value)
    assert not list(tmp_path.iterdir())


def test_without_a_tracker_nothing_is_left_to_look_at(tiny_model: Path, tmp_path: Path) -> None:
    assert not (train(tiny_model, tmp_path / "out", "none").folder / "runs").exists()
    with own_run("none"):
        pass


@needs("tensorboard")
def test_tensorboards_files_are_kept_with_the_model(tiny_model: Path, tmp_path: Path) -> None:
    reader = import_module("tensorboard.backend.event_processing.event_accumulator")
    folder = train(tiny_model, tmp_path / "out", "tensorboard").folder
    [run] = (folder / "runs").iterdir()
    events = reader.EventAccumulator(str(run)).Reload()
    logged = json.loads((folder / "trainer_state.json").read_text())["log_history"]
    losses = [entry["loss"] for entry in logged if "loss" in entry]
    assert [event.value for event in events.Scalars("train/loss")] == pytest.approx(losses)
    assert [event.step for event in events.Scalars("train/learning_rate")] == [1]


WANDB = """
import sys
from pathlib import Path

import wandb

sys.path[:0] = sys.argv[1:3]
from test_training_trackers import train

model, out = map(Path, sys.argv[3:])
names = []
wandb.setup()
begin = wandb.init
def init(*arguments, **options):
    names.append(options["name"])
    return begin(*arguments, **options)
wandb.init = init
train(model, out / "one", "wandb")
assert wandb.run is None
train(model, out / "two", "wandb")
assert names == ["watched-sft-7"] * 2, names
own = begin(project="mine", name="mine")
train(model, out / "three", "wandb")
assert wandb.run is own and len(names) == 2
wandb.finish()
"""


@needs("wandb")
def test_each_stage_is_a_run_of_wandb_that_ends_with_it(tiny_model: Path, tmp_path: Path) -> None:
    """In a process of its own: W&B has a service beside it, and its state is the process's."""
    paths = [str(ROOT), str(ROOT / "tests"), str(tiny_model), str(tmp_path)]
    done = subprocess.run(
        [sys.executable, "-c", WANDB, *paths],
        env=os.environ | {"WANDB_MODE": "offline", "WANDB_DIR": str(tmp_path), "WANDB_SILENT": "true"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert len(list((tmp_path / "wandb").glob("offline-run-*/*.wandb"))) == 3


TRACKIO = """
import sys
from pathlib import Path

sys.path[:0] = sys.argv[1:3]
from test_training_trackers import train

train(*map(Path, sys.argv[3:]), "trackio")
"""


@needs("trackio")
def test_trackio_is_told_a_run(tiny_model: Path, tmp_path: Path) -> None:
    """And says so by its own command."""
    environment = os.environ | {"TRACKIO_DIR": str(tmp_path / "trackio"), "HF_HUB_OFFLINE": "1"}

    def run(*arguments: str) -> str:
        command = [sys.executable, *arguments]
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout

    run("-c", TRACKIO, str(ROOT), str(ROOT / "tests"), str(tiny_model), str(tmp_path / "out"))
    asked = ["--project", "huggingface", "--run", "watched-sft-7", "--metric", "train/loss", "--json"]
    told = json.loads(run("-m", "trackio.cli", "get", "metric", *asked))
    logged = json.loads((tmp_path / "out" / "trainer_state.json").read_text())["log_history"]
    losses = [entry["loss"] for entry in logged if "loss" in entry]
    assert [value["value"] for value in told["values"]] == pytest.approx(losses)
