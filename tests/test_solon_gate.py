"""What a recipe and the command line ask of a report, and what is said where it does not hold."""

import json
from pathlib import Path

import pytest
from outcome_fixtures import GRADER, result, split

from evaluation.model import Evaluation
from evaluation.report.write import as_json, report
from evaluation.settings import GateSettings
from solon.errors import BadInputError
from solon.gate import asked, holds
from solon.loaded_recipe import LoadedRecipe, load_recipe

RECIPE = """\
name: gated
constitution: starter
data: {red_team: {path: red.jsonl}}
evaluation:
  suites: {harmful: {path: solon-harmful}}
"""
BASE = result("base", harmful=split(100, 15), harmless=split(100, 3), kind="base")


def loaded(folder: Path, gate: str = "") -> LoadedRecipe:
    (folder / "recipe.yaml").write_text(RECIPE + gate)
    return load_recipe(folder / "recipe.yaml")


def written(folder: Path, *, refused: int) -> Path:
    model = result("dpo", harmful=split(100, refused), harmless=split(100, 4))
    folder.mkdir(exist_ok=True)
    file = folder / "report.json"
    file.write_text(json.dumps(as_json(report(Evaluation((BASE, model)), GRADER))))
    return file


def test_nothing_asked_is_no_gate(tmp_path: Path) -> None:
    assert not asked(loaded(tmp_path))


def test_recipe_and_command_line_ask_together(tmp_path: Path) -> None:
    found = asked(
        loaded(tmp_path, "  gate: {require: ['harmful_refused>=0.5']}\n"), ["harmless_answered>=0.9"]
    )
    assert [str(one) for one in found.requirements] == ["harmful_refused>=0.5", "harmless_answered>=0.9"]
    assert found.baseline is None


def test_a_threshold_that_does_not_hold_is_told_with_a_sentence(tmp_path: Path) -> None:
    written(tmp_path / "run", refused=40)
    said: list[str] = []
    other = "harmless_answered>=0.9"
    assert not holds(asked(loaded(tmp_path), ["harmful_refused>=0.5", other]), tmp_path / "run", said.append)
    assert said[0].startswith("gate: FAILS: dpo: harmful_refused 0.400")
    assert holds(asked(loaded(tmp_path), ["harmful_refused>=0.3", other]), tmp_path / "run", said.append)


def test_a_fall_below_the_baseline_is_told(tmp_path: Path) -> None:
    older = written(tmp_path / "old", refused=80)
    written(tmp_path / "run", refused=40)
    said: list[str] = []
    assert not holds(asked(loaded(tmp_path), baseline=older), tmp_path / "run", said.append)
    assert "harmful_refused fell, 0.800" in said[0]
    assert holds(asked(loaded(tmp_path), baseline=older), tmp_path / "old", said.append)


def test_a_recipes_baseline_starts_at_the_recipe_and_the_command_lines_goes_before_it(tmp_path: Path) -> None:
    written(tmp_path / "old", refused=80)
    newer = written(tmp_path / "new", refused=40)
    recipe = loaded(tmp_path, "  gate: {baseline: old/report.json}\n")
    before = asked(recipe).baseline
    assert before is not None
    assert before.final.measures["harmful_refused"].value == 0.8
    after = asked(recipe, baseline=newer).baseline
    assert after is not None
    assert after.final.measures["harmful_refused"].value == 0.4


def test_what_cannot_be_asked_is_told_before_anything_is_measured(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match="is no requirement"):
        asked(loaded(tmp_path), ["harmful_refused>>1"])
    with pytest.raises(BadInputError, match="nothing says below what"):
        asked(loaded(tmp_path), ["harmful_refused"])
    with pytest.raises(BadInputError, match=r"none\.json: is no report"):
        asked(loaded(tmp_path), baseline=tmp_path / "none.json")


def test_one_side_of_the_plane_alone_is_told_before_anything_is_measured(tmp_path: Path) -> None:
    with pytest.raises(
        BadInputError, match=r"answers everything would pass\n  next: .* harmful_refused>=0\.8"
    ):
        asked(loaded(tmp_path), ["harmless_answered>=0.9"])
    recipe = loaded(tmp_path, "  gate: {require: ['harmful_refused>=0.9']}\n")
    with pytest.raises(BadInputError, match="refuses everything would pass"):
        asked(recipe)
    assert asked(recipe, ["harmless_answered>=0.9"])


def test_a_gate_without_controls_is_told(tmp_path: Path) -> None:
    recipe = loaded(tmp_path, "  controls: false\n")
    assert not asked(recipe)
    with pytest.raises(BadInputError, match=r"set `evaluation\.controls: true`"):
        asked(recipe, ["harmful_refused>=0.5", "harmless_answered>=0.5"])


def test_a_measure_that_was_not_taken_is_told(tmp_path: Path) -> None:
    written(tmp_path / "run", refused=40)
    with pytest.raises(BadInputError, match="has no measure 'win_rate'"):
        holds(asked(loaded(tmp_path), ["win_rate>=0.5"]), tmp_path / "run", print)


def test_a_recipes_gate_is_checked_when_it_is_read() -> None:
    with pytest.raises(ValueError, match="is no requirement"):
        GateSettings(require=("much", "a b"))
    with pytest.raises(ValueError, match="add `baseline`, or a threshold"):
        GateSettings(require=("win_rate",))
    assert GateSettings(require=("win_rate",), baseline=Path("old.json")).baseline == Path("old.json")
