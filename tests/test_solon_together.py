"""Training in several processes from the command line; `test_training_processes.py` has what they compute."""

from pathlib import Path

import pytest

from solon.cli import main
from solon.errors import BadInputError
from solon.loaded_recipe import load_recipe
from solon.together import meet, several, speaks

RECIPE = "name: r\nconstitution: starter\ndata: {red_team: {path: red.jsonl}}\n"


def test_only_training_runs_in_several_processes(tmp_path: Path) -> None:
    (tmp_path / "r.yaml").write_text(RECIPE)
    with pytest.raises(BadInputError, match="critique, evaluate: only training runs in several processes"):
        meet(load_recipe(tmp_path / "r.yaml"), ("critique", "sft", "evaluate"))


def test_a_process_alone_is_the_one_that_speaks() -> None:
    assert (several(), speaks()) == (False, True)


def test_a_further_process_keeps_its_errors_to_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("RANK", "1")
    (tmp_path / "r.yaml").write_text(RECIPE)
    assert main(["run", str(tmp_path / "r.yaml")]) == 2
    assert capsys.readouterr().err == ""
