"""The run folder: begun once, gone on with by the same settings, and never written over by others."""

import os
from pathlib import Path

import pytest

from pipeline.journal import Journal, JournalError
from solon.loaded_recipe import LoadedRecipe, load_recipe
from solon.run_folder import (
    RunFolderError,
    default_out,
    load_run_recipe,
    objection_to,
    open_run_folder,
)

TEXT = "name: small\nconstitution: starter\ndata:\n  red_team: {path: red.jsonl}\n"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "recipe.yaml").write_text(TEXT, encoding="utf-8")
    (tmp_path / "red.jsonl").write_text('{"prompt": "Why?"}\n', encoding="utf-8")
    return tmp_path


def load(project: Path, *overrides: str) -> LoadedRecipe:
    return load_recipe(project / "recipe.yaml", overrides)


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def refusal(out: Path, loaded: LoadedRecipe) -> str:
    before = contents(out) if out.is_dir() else {}
    with pytest.raises(RunFolderError) as caught:
        open_run_folder(out, loaded)
    assert (contents(out) if out.is_dir() else {}) == before
    return str(caught.value)


def test_the_default_folder_has_the_recipes_name(project: Path) -> None:
    assert default_out(load(project).recipe) == Path("runs/small")


def test_a_new_folder_holds_the_resolved_recipe_and_nothing_half_written(project: Path) -> None:
    folder = open_run_folder(project / "runs" / "one", load(project))
    assert load_recipe(folder.recipe).recipe == load(project).recipe
    assert sorted(path.name for path in folder.path.iterdir()) == ["inputs.json", "journal", "recipe.yaml"]


def test_a_runs_recipe_is_read_with_the_place_where_its_paths_start(project: Path) -> None:
    loaded = load(project, "models.assistant.model=./model", "seed=4")
    read = load_run_recipe(open_run_folder(project / "runs" / "one", loaded))
    assert (read.recipe, read.path) == (loaded.recipe, loaded.path)
    assert read.assistant.model == str(project / "model")


def test_an_empty_folder_is_taken(project: Path) -> None:
    (project / "out").mkdir()
    assert open_run_folder(project / "out", load(project)).recipe.is_file()


def test_the_same_settings_go_on_however_they_are_written(project: Path) -> None:
    open_run_folder(project / "out", load(project, "seed=5"))
    (project / "recipe.yaml").write_text(f"# a remark\n{TEXT}seed: 5\n", encoding="utf-8")
    assert objection_to(project / "out", load(project)) == ""


def test_other_settings_are_refused_with_what_differs_and_the_ways_on(project: Path) -> None:
    open_run_folder(project / "out", load(project))
    text = refusal(project / "out", load(project, "critique.rounds=3"))
    assert "-  rounds: 1" in text
    assert "+  rounds: 3" in text
    assert "another --out, restore these to go on as before" in text
    assert "--accept-changes" in text


def test_how_a_model_is_reached_may_change(project: Path) -> None:
    open_run_folder(project / "out", load(project))
    changes = ("engine=vllm", "max_in_flight=4", "base_url=http://other/v1")
    moved = load(project, *(f"models.assistant.{change}" for change in changes))
    folder = open_run_folder(project / "out", moved)
    assert "max_in_flight: 4" in folder.recipe.read_text(encoding="utf-8")


def test_changed_data_is_refused_by_its_place_in_the_recipe(project: Path) -> None:
    open_run_folder(project / "out", load(project))
    (project / "red.jsonl").write_text('{"prompt": "How?"}\n', encoding="utf-8")
    text = refusal(project / "out", load(project))
    assert "Changed since the run began: what is in data.red_team" in text


def test_a_changed_constitution_is_refused(project: Path) -> None:
    mine = project / "mine.yaml"
    mine.write_text('name: mine\nversion: "1"\nextends: starter\n', encoding="utf-8")
    open_run_folder(project / "out", load(project, "constitution=./mine.yaml"))
    mine.write_text('name: mine\nversion: "2"\nextends: starter\n', encoding="utf-8")
    assert "constitution" in refusal(project / "out", load(project, "constitution=./mine.yaml"))


def test_somebody_elses_folder_is_refused_with_what_is_in_it(project: Path) -> None:
    assert "not empty (it holds recipe.yaml, red.jsonl)" in refusal(project, load(project))
    (project / "other").mkdir()
    (project / "other" / "thesis.tex").write_text("x")
    assert "not empty (it holds thesis.tex)" in refusal(project / "other", load(project))


def test_a_file_and_a_broken_link_are_refused(project: Path) -> None:
    (project / "link").symlink_to(project / "nowhere")
    assert "is a link to nothing" in refusal(project / "link", load(project))
    assert "is a file" in refusal(project / "red.jsonl", load(project))


def test_a_folder_whose_recipe_is_damaged_is_refused(project: Path) -> None:
    folder = open_run_folder(project / "out", load(project))
    folder.recipe.write_text("name: [", encoding="utf-8")
    assert "cannot be read" in refusal(project / "out", load(project))


def test_a_start_that_was_cut_short_is_begun_again(project: Path) -> None:
    folder = open_run_folder(project / "out", load(project))
    folder.recipe.unlink()
    assert open_run_folder(project / "out", load(project)).recipe.is_file()


def test_a_name_with_a_line_break_does_not_leave_the_comment(project: Path) -> None:
    odd = project / "a\nname: other"
    odd.mkdir()
    (odd / "recipe.yaml").write_text(TEXT, encoding="utf-8")
    (odd / "red.jsonl").write_text('{"prompt": "Why?"}\n', encoding="utf-8")
    folder = open_run_folder(project / "out", load(odd))
    assert load_recipe(folder.recipe).recipe.name == "small"


def test_with_consent_a_run_goes_on_and_its_earlier_recipe_is_kept(project: Path) -> None:
    before = open_run_folder(project / "out", load(project)).recipe.read_bytes()
    changed = load(project, "critique.rounds=3")
    folder = open_run_folder(project / "out", changed, accept_changes=True)
    assert (project / "out" / "recipe-1.yaml").read_bytes() == before
    assert load_recipe(folder.recipe).recipe.critique.rounds == 3
    assert objection_to(project / "out", changed) == ""
    (project / "red.jsonl").write_text('{"prompt": "How?"}\n', encoding="utf-8")
    open_run_folder(project / "out", changed, accept_changes=True)
    assert objection_to(project / "out", changed) == ""
    assert len(list((project / "out").glob("recipe-*.yaml"))) == 2


def test_consent_to_no_change_changes_nothing(project: Path) -> None:
    open_run_folder(project / "out", load(project))
    open_run_folder(project / "out", load(project), accept_changes=True)
    assert not list((project / "out").glob("recipe-*"))


def test_consent_does_not_open_somebody_elses_folder(project: Path) -> None:
    with pytest.raises(RunFolderError, match="is not a run's folder"):
        open_run_folder(project, load(project), accept_changes=True)


def test_what_a_run_left_that_was_killed_while_it_began_is_no_reason_to_refuse(project: Path) -> None:
    out = project / "out"
    (out / "journal").mkdir(parents=True)
    (out / "journal" / "answers.log.lock").touch()
    for name in (".inputs.json.17.partial", ".recipe.yaml.17.partial"):
        (out / name).write_text("half")
    open_run_folder(out, load(project))
    assert sorted(path.name for path in out.iterdir()) == ["inputs.json", "journal", "recipe.yaml"]


def test_a_folder_with_a_journal_of_somebody_elses_is_left_alone(project: Path) -> None:
    (project / "out" / "journal").mkdir(parents=True)
    (project / "out" / "journal" / "monday.md").write_text("Dear diary")
    assert "not empty (it holds journal)" in refusal(project / "out", load(project))


def test_changes_are_accepted_in_a_new_folder_too(project: Path) -> None:
    assert open_run_folder(project / "out", load(project), accept_changes=True).recipe.is_file()


def test_while_another_process_is_at_work_nothing_is_changed(project: Path) -> None:
    folder = open_run_folder(project / "out", load(project))
    with Journal(folder.answers):
        before = contents(folder.path)
        with pytest.raises(JournalError, match=f"process {os.getpid()} on "):
            open_run_folder(folder.path, load(project, "seed=5"), accept_changes=True)
        assert contents(folder.path) == before
