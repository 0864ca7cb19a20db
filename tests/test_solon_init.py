"""`solon init`: a project that is in order as it is, written once and over nothing."""

from pathlib import Path

import pytest

from constitution.load import load
from prompts.render import VARIABLES, Prompts
from solon.errors import BadInputError
from solon.init import PURPOSES, starter_files, write_starter
from solon.inputs import check_disjoint, read_requests
from solon.loaded_recipe import load_recipe
from solon.validate import problems


def test_what_is_written_is_in_order(tmp_path: Path, embedded_model: Path) -> None:
    write_starter(tmp_path / "project")
    loaded = load_recipe(tmp_path / "project")
    assert problems(loaded, tmp_path / "out") == []
    assert loaded.recipe.stages == ("critique", "sft", "label", "dpo", "evaluate")


def test_each_data_file_holds_a_dozen_prompts_and_none_twice(tmp_path: Path) -> None:
    write_starter(tmp_path / "project")
    loaded = load_recipe(tmp_path / "project")
    requests = {
        place: read_requests(source, "helpful", base=loaded.folder)
        for place, source in loaded.sources.items()
    }
    assert {len(rows) for rows in requests.values()} == {12}
    red_team, helpful, harmful, harmless = requests.values()
    check_disjoint([*red_team, *helpful], [*harmful, *harmless])


def test_every_file_is_named_and_there(tmp_path: Path) -> None:
    written = write_starter(tmp_path / "deep" / "project")
    assert sorted(written) == sorted(path for path in (tmp_path / "deep").rglob("*") if path.is_file())


def test_the_templates_are_solons_own_and_each_is_explained(tmp_path: Path) -> None:
    write_starter(tmp_path / "project")
    folder = tmp_path / "project" / "prompts"
    assert all(Prompts(folder=folder).hash(name) == Prompts().hash(name) for name in VARIABLES)
    assert set(PURPOSES) == set(VARIABLES)
    assert all(f"`{name}.j2`" in starter_files()["prompts/README.md"] for name in VARIABLES)


def test_the_yaml_files_point_an_editor_to_schemas_that_are_there(tmp_path: Path) -> None:
    write_starter(tmp_path / "project")
    for name in ("recipe.yaml", "constitution.yaml"):
        first = (tmp_path / "project" / name).read_text(encoding="utf-8").split("\n")[0]
        reference = first.removeprefix("# yaml-language-server: $schema=")
        assert (tmp_path / "project" / reference).is_file()


def test_the_constitution_is_the_shipped_starter(tmp_path: Path) -> None:
    write_starter(tmp_path / "project")
    assert load(tmp_path / "project" / "constitution.yaml").digest == load("starter").digest


def test_a_folder_that_holds_something_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("x")
    with pytest.raises(BadInputError, match=r"not empty \(it holds thesis\.tex\)"):
        write_starter(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_a_file_of_that_name_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "project").write_text("x")
    with pytest.raises(BadInputError, match="is a file"):
        write_starter(tmp_path / "project")
