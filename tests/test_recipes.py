"""The recipes and launcher settings that ship: each is in order, and accelerate knows every key."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from accelerate.commands.config.config_args import ClusterConfig, load_config_from_file
from accelerate.commands.launch import launch_command_parser

from solon.loaded_recipe import load_recipe
from training.methods import METHODS
from training.sampling import check_processes
from training.settings import MethodName

RECIPES = Path(__file__).parent.parent / "recipes"
LAUNCHERS = sorted((RECIPES / "accelerate").glob("*.yaml"))
EMBEDDED = sorted((RECIPES / "methods" / "embedded").glob("*.yaml"))
LARGE = sorted((RECIPES / "methods" / "7b").glob("*.yaml"))


@pytest.mark.parametrize("file", LAUNCHERS, ids=lambda file: file.stem)
def test_accelerate_knows_every_key_of_its_settings(file: Path) -> None:
    assert isinstance(load_config_from_file(str(file)), ClusterConfig)
    known = {action.dest for action in launch_command_parser()._actions}
    for part in ("fsdp_config", "deepspeed_config"):
        for key in yaml.safe_load(file.read_text()).get(part, {}):
            assert key in known, f"{file.name}: {part}.{key}"


def test_every_method_has_a_recipe_in_two_sizes() -> None:
    assert {file.stem for file in EMBEDDED} == METHODS.keys()
    assert {file.stem for file in LARGE} == METHODS.keys()


@pytest.mark.parametrize("file", [*EMBEDDED, *LARGE], ids=lambda file: f"{file.parent.name}-{file.stem}")
def test_a_recipe_trains_by_the_method_that_it_is_called_by(file: Path) -> None:
    assert list(yaml.safe_load(file.read_text())["training"])[-1] == file.stem


def test_every_recipe_is_in_order(tmp_path: Path) -> None:
    """In a process of its own, whose cache of the Hub says that the large model is there."""
    snapshot = tmp_path / "hub" / "models--Qwen--Qwen2.5-7B-Instruct" / "snapshots" / ("0" * 40)
    snapshot.mkdir(parents=True)
    (snapshot / "config.json").write_text("{}")
    refs = snapshot.parent.parent / "refs"
    refs.mkdir()
    (refs / "main").write_text("0" * 40)
    few = ["--set", "data.red_team.limit=4", "--set", "data.helpful.limit=4"]
    each = f"max(main(['validate', file, *{few}]) for file in sys.argv[1:])"
    code = f"import sys; from solon.cli import main; sys.exit({each})"
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, [*EMBEDDED, *LARGE])],
        cwd=tmp_path,
        env=os.environ | {"HF_HOME": str(tmp_path), "PYTHONPATH": str(RECIPES.parent), "HF_HUB_OFFLINE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("is in order") == len(EMBEDDED) + len(LARGE)


@pytest.mark.parametrize("count", [1, 8])
@pytest.mark.parametrize("method", ["ppo", "grpo", "online_dpo"])
def test_rollouts_of_large_recipes_fit_one_process_and_eight(
    method: MethodName, count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = load_recipe(RECIPES / "methods" / "7b" / f"{method}.yaml").online(method)
    assert settings is not None
    monkeypatch.setenv("WORLD_SIZE", str(count))
    check_processes(settings)


@pytest.mark.parametrize("file", LARGE, ids=lambda file: file.stem)
def test_large_recipes_say_that_they_have_not_been_run(file: Path) -> None:
    assert "not been run here" in " ".join(file.read_text().replace("#", " ").split())
