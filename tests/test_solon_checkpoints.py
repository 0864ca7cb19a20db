"""Which models a run holds, and which were named by themselves."""

from pathlib import Path

import pytest

from solon.checkpoints import of_models, of_run, require_run
from solon.errors import BadInputError
from solon.loaded_recipe import LoadedRecipe, load_recipe
from solon.run_folder import RunFolder

TEXT = """\
name: small
seed: 4
constitution: starter
data: {red_team: {path: red.jsonl}}
labeling: {pairs: [revision]}
training: {sft: {}, dpo: {}}
"""


@pytest.fixture
def loaded(tmp_path: Path) -> LoadedRecipe:
    (tmp_path / "recipe.yaml").write_text(TEXT)
    return load_recipe(tmp_path / "recipe.yaml")


def adapter(folder: Path) -> Path:
    folder.mkdir(parents=True)
    (folder / "adapter_config.json").write_text("{}")
    (folder / "adapter_model.safetensors").write_text("")
    return folder


def with_steps(out: Path) -> RunFolder:
    """A run of two adapters, and checkpoints of the second at the steps 20 and 100."""
    run = RunFolder(out)
    adapter(run.model("sft"))
    adapter(run.model("dpo"))
    for step in (20, 100):
        adapter(run.model("dpo") / "checkpoints" / f"checkpoint-{step}")
    return run


def test_the_base_comes_first_and_each_policy_after_its_own_steps(
    tmp_path: Path, loaded: LoadedRecipe
) -> None:
    run = with_steps(tmp_path / "run")
    found = of_run(loaded, run, run="s4")
    assert [each.name for each in found] == ["base", "sft", "dpo-step-20", "dpo-step-100", "dpo"]
    assert [each.checkpoint.kind for each in found] == ["base", "sft", "step", "step", "dpo"]
    assert {each.checkpoint.seed for each in found} == {4}
    assert found[2].checkpoint.step == 20
    assert [each.model.adapter for each in found[:2]] == [None, run.model("sft").resolve()]


def test_the_last_checkpoint_of_a_finished_training_is_the_model_itself(
    tmp_path: Path, loaded: LoadedRecipe
) -> None:
    run = with_steps(tmp_path / "run")
    (run.model("dpo") / "trainer_state.json").write_text('{"global_step": 100}')
    assert [each.name for each in of_run(loaded, run)] == ["base", "sft", "dpo-step-20", "dpo"]


def test_a_model_of_its_own_stands_in_place_of_the_assistant(tmp_path: Path, loaded: LoadedRecipe) -> None:
    run = RunFolder(tmp_path / "run")
    adapter(run.model("dpo"))
    run.model("sft").mkdir(parents=True)
    found = of_run(loaded, run)
    assert (found[1].model.model, found[1].model.adapter) == (str(run.model("sft").resolve()), None)


def test_a_missing_model_is_told_with_the_command_that_makes_it(tmp_path: Path, loaded: LoadedRecipe) -> None:
    run = RunFolder(tmp_path / "run")
    adapter(run.model("sft"))
    with pytest.raises(BadInputError, match="models/dpo: the run has no model there yet") as error:
        of_run(loaded, run)
    assert "next: solon train dpo" in str(error.value)


def test_the_first_model_that_is_named_is_the_base_of_adapters(tmp_path: Path) -> None:
    base = tmp_path / "small"
    base.mkdir()
    (base / "config.json").write_text("{}")
    (base / "model.safetensors").write_text("")
    adapter(tmp_path / "a" / "dpo")
    adapter(tmp_path / "b" / "dpo")
    found = of_models([str(base), "a/dpo", "b/dpo"], base=tmp_path)
    assert [each.name for each in found] == ["base", "dpo", "b-dpo"]
    assert {each.model.model for each in found} == {str(base)}
    assert found[2].model.adapter == (tmp_path / "b" / "dpo").resolve()


def test_a_model_that_is_not_there_is_told_before_anything_loads(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match="there is no folder"):
        of_models(["./nowhere"], base=tmp_path)


def test_a_folder_without_a_run_is_refused(tmp_path: Path) -> None:
    (tmp_path / "run-1").mkdir()
    with pytest.raises(BadInputError, match="holds no run"):
        require_run(tmp_path / "run-2")
