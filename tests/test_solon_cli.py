"""The command line, run as a user runs it: what it prints, where, and with which exit code."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from solon.cli import main

ROOT = Path(__file__).parent.parent
HEAVY = ("pydantic", "torch", "transformers", "datasets", "pyarrow", "rich", "yaml", "jinja2", "aiohttp")


def python(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Python in another folder, with Solon's source on its path as an installation would have it."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def solon(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    code = main([str(argument) for argument in arguments])
    out, err = capsys.readouterr()
    return code, out, err


def test_help_imports_nothing_heavy(tmp_path: Path) -> None:
    program = (
        "import sys\nfrom solon.cli import main\n"
        "try:\n    main(['--help'])\nexcept SystemExit:\n    pass\n"
        f"print([name for name in {HEAVY} if name in sys.modules])"
    )
    shown = python("-c", program, cwd=tmp_path)
    assert shown.stdout.endswith("[]\n")
    assert "from its prompts to the report" in shown.stdout


def test_a_folder_with_the_same_names_does_not_shadow_solons_packages(tmp_path: Path) -> None:
    for name in ("training", "prompts", "constitution", "engine"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("raise RuntimeError('shadowed')")
    (tmp_path / "json.py").write_text("raise RuntimeError('shadowed')")
    for start in (["-m", "solon"], ["-P", "-c", "import sys; from solon.cli import main; sys.exit(main())"]):
        shown = python(*start, "constitution", "show", cwd=tmp_path)
        assert (shown.stdout, shown.returncode) == ("harmless\nhelpful_harmless\nstarter\n", 0), shown.stderr


def test_importing_solon_finds_its_own_packages_even_with_the_working_directory_first(tmp_path: Path) -> None:
    (tmp_path / "training.py").write_text("raise RuntimeError('shadowed')")
    shown = python("-c", "import solon, training.settings; print(training.__file__)", cwd=tmp_path)
    assert shown.stdout == f"{ROOT / 'training' / '__init__.py'}\n", shown.stderr


def test_a_project_is_written_and_validated(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], embedded_model: Path
) -> None:
    code, out, _ = solon(capsys, "init", tmp_path / "mine")
    assert code == 0
    assert f"solon run {tmp_path}/mine/recipe.yaml" in out
    code, out, _ = solon(capsys, "validate", tmp_path / "mine", "--out", tmp_path / "out")
    stages = "critique, sft, label, dpo, evaluate"
    assert (code, out) == (
        0,
        f"{tmp_path}/mine is in order. Stages: {stages}. The run goes to {tmp_path}/out.\n",
    )


def test_what_the_user_wrote_wrong_is_code_2_and_goes_to_standard_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = solon(capsys, "validate", tmp_path / "recipe.yaml")
    assert (code, out) == (2, "")
    assert "no such file" in err


def test_nothing_is_written_where_a_recipe_is_not_in_order(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    solon(capsys, "init", tmp_path / "mine")
    missing = "data.red_team.path=data/red_tem.jsonl"
    code, _, err = solon(capsys, "run", tmp_path / "mine", "--set", missing, "--out", tmp_path / "out")
    assert code == 2
    assert "did you mean 'red_team.jsonl'?" in err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("command", "setting", "section"),
    [
        (["label"], "labeling=", "`labeling:`"),
        (["evaluate"], "evaluation=", "`evaluation:`"),
        (["train", "dpo"], "training.dpo=", "`training.dpo:`"),
        (["train", "all"], "training={}", "`training.sft:` or `training.reward:` or `training.dpo:` or"),
    ],
)
def test_a_stage_that_the_recipe_lacks_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], command: list[str], setting: str, section: str
) -> None:
    solon(capsys, "init", tmp_path / "mine")
    code, _, err = solon(capsys, *command, tmp_path / "mine", "--set", setting)
    assert code == 2
    assert "the recipe has no " in err
    assert section in err


def test_control_characters_of_a_file_do_not_reach_the_terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    solon(capsys, "init", tmp_path / "mine")
    row = json.dumps({"prompt": "", "id": "\x1b[2J"}, ensure_ascii=False).replace("\\u001b", "\x1b")
    (tmp_path / "mine" / "data" / "red_team.jsonl").write_text(row + "\n")
    _, _, err = solon(capsys, "validate", tmp_path / "mine")
    assert "\x1b" not in err


def test_a_constitution_is_shown_and_checked(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = solon(capsys, "constitution", "show", "starter")
    assert (code, out.split("\n")[0]) == (0, "starter, version 1.0")
    code, out, _ = solon(capsys, "constitution", "validate", "starter")
    assert (code, out) == (0, "starter is in order: starter, version 1.0, 4 principles\n")
    code, _, err = solon(capsys, "constitution", "show", "startr")
    assert code == 2
    assert "did you mean 'starter'?" in err


def test_an_import_is_printed_or_written_and_writes_over_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    published = tmp_path / "published.json"
    published.write_text(json.dumps(["Which is better? Options:"]))
    out = tmp_path / "mine.yaml"
    code, printed, _ = solon(capsys, "constitution", "import", published)
    assert code == 0
    assert "comparison_question: Which is better?" in printed
    assert solon(capsys, "constitution", "import", published, "--out", out)[0] == 0
    assert out.read_text(encoding="utf-8") == printed
    out.write_text("mine")
    code, _, err = solon(capsys, "constitution", "import", published, "--out", out)
    assert (code, out.read_text()) == (2, "mine")
    assert "--force" in err
    assert solon(capsys, "constitution", "import", published, "--out", out, "--force")[0] == 0
    assert out.read_text(encoding="utf-8") == printed


def test_the_version_is_shown(tmp_path: Path) -> None:
    assert python("-m", "solon", "--version", cwd=tmp_path).stdout.startswith("solon ")
