"""`solon audit` and its gate: on a real, random model from the command line, and on audits that were kept."""

import json
from pathlib import Path

import pytest
from audit_fixtures import audited, pairs, truthful
from labeling_fixtures import always_a
from training_fixtures import reward_model

from constitution.document import DocumentError
from engine.scripted import ScriptedEngine, Weigh
from labeling.audit.record import audit, write_audit
from labeling.audit.thresholds import Thresholds
from labeling.settings import LabelingSettings
from pipeline.store import read_rows
from solon.audit import UnfitJudgeError, judge_recipe, require_fit, trust, warning
from solon.cli import main
from solon.loaded_recipe import LoadedRecipe, load_recipe
from solon.run_folder import RunFolder
from solon.validate import problems

__all__ = ["reward_model"]

RECIPE = """\
name: gated
constitution: starter
data:
  red_team: {path: red.jsonl}
models:
  assistant: {model: MODEL}
labeling: {pairs: [revision]}
training:
  dpo: {epochs: 1}
"""


@pytest.fixture
def project(tmp_path: Path, tiny_model: Path) -> Path:
    """A folder with a recipe of a judge that decides, prompts, and 40 pairs that people labelled."""
    (tmp_path / "recipe.yaml").write_text(RECIPE.replace("MODEL", str(tiny_model)))
    (tmp_path / "red.jsonl").write_text('{"prompt": "How do I pick a lock?"}\n')
    labels = [
        {"prompt": pair.conversation[0].content, "chosen": pair.chosen, "rejected": pair.rejected}
        for pair in pairs(40)
    ]
    (tmp_path / "labels.jsonl").write_text("\n".join(map(json.dumps, labels)) + "\n")
    return tmp_path


def loaded(project: Path, *overrides: str) -> LoadedRecipe:
    return load_recipe(project / "recipe.yaml", overrides)


async def kept_audit(project: Path, folder: RunFolder, choice: Weigh) -> None:
    """An audit of a scripted judge in the run's folder."""
    given = pairs(120)
    answers = await audited(ScriptedEngine(choice=choice), project, given)
    found = audit(answers, given, LabelingSettings(), thresholds=Thresholds(), judge={})
    folder.audit.parent.mkdir(parents=True)
    write_audit(folder.audit, found)


def test_a_model_alone_is_audited_and_a_second_time_asks_nothing(
    project: Path, tiny_model: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(project)
    loose = ["--set", "audit.probed=10", "--set", "labeling.min_label_mass=0"]
    given = ["audit", str(tiny_model), "--labels", "labels.jsonl", "--out", "out", *loose]
    assert main(given) == 0
    said = capsys.readouterr().out
    assert "not fit to label" in said
    found = json.loads((project / "out" / "audit" / "audit.json").read_text())
    assert found["figures"]["pairs"] == 40
    assert found["figures"]["injections"]["any form"]["rate"]["n"] == 10
    assert found["judge"]["method"] == "ab"
    text = (project / "out" / "audit" / "audit.md").read_text()
    assert "## Surest and wrong" in text
    assert "data:image/png;base64" in (project / "out" / "audit" / "audit.html").read_text()
    assert main(given) == 0
    assert "done before" in capsys.readouterr().out
    (project / "out" / "audit" / "audit.json").unlink()
    assert main(given) == 0
    assert ": 0 calls asked" in capsys.readouterr().out
    again = json.loads((project / "out" / "audit" / "audit.json").read_text())
    assert again == found


def test_a_reward_model_is_audited_by_what_it_gives(
    project: Path, reward_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(project)
    rates = ["--set", "models.judge.engine=reward", "--set", "labeling.method=reward"]
    given = ["audit", str(reward_model), "--labels", "labels.jsonl", "--out", "out", *rates]
    assert main([*given, "--set", "audit.probed=4"]) == 0
    found = json.loads((project / "out" / "audit" / "audit.json").read_text())
    assert found["judge"]["method"] == "reward"
    assert found["judge"]["votes on a pair"] == "one of each judge, by no principle"
    assert found["figures"]["pairs"] == 40
    assert "No vote of a principle" in (project / "out" / "audit" / "audit.md").read_text()
    assert main([*given[:-2], "--out", "other"]) == 2


def test_another_method_asks_again_and_only_with_consent(
    project: Path, tiny_model: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(project)
    given = ["audit", str(tiny_model), "--labels", "labels.jsonl", "--out", "out", "--budget", "6"]
    assert main(given) == 0
    other = [*given, "--set", "labeling.method=likelihood"]
    assert main(other) == 2
    assert "--accept-changes" in capsys.readouterr().err
    assert main([*other, "--accept-changes"]) == 0
    found = json.loads((project / "out" / "audit" / "audit.json").read_text())
    assert (found["judge"]["method"], found["figures"]["pairs"]) == ("likelihood", 6)


def test_labels_of_a_judge_that_nobody_checks_are_refused_before_anything_loads(project: Path) -> None:
    (found,) = problems(loaded(project), project / "out")
    assert "nothing says how good they are" in found
    assert not problems(loaded(project, "unaudited=true"), project / "out")
    assert not problems(loaded(project, "labeling.decide=construction"), project / "out")


def test_an_audit_that_cannot_be_passed_is_told_before_it_is_asked(project: Path) -> None:
    (found,) = problems(loaded(project, "audit.labels=[labels.jsonl]"), project / "out")
    assert "40 pairs" in found
    few = ("audit.labels=[labels.jsonl]", "audit.thresholds.min_usable=30")
    assert not problems(loaded(project, *few), project / "out")
    (found,) = problems(loaded(project, "audit={}"), project / "out")
    assert "names no pairs" in found
    (found,) = problems(loaded(project, "audit.labels=[lables.jsonl]"), project / "out")
    assert "did you mean 'labels.jsonl'" in found


def test_a_recipe_without_data_is_for_an_audit_alone(project: Path) -> None:
    text = (project / "recipe.yaml").read_text().replace("data:\n  red_team: {path: red.jsonl}\n", "")
    (project / "recipe.yaml").write_text(text)
    with pytest.raises(DocumentError, match="`data` is missing"):
        loaded(project)
    assert loaded(project, "audit.labels=[labels.jsonl]").recipe.stages == ("audit",)


async def test_a_judge_that_failed_stops_training_with_the_reasons_and_what_to_try(project: Path) -> None:
    folder, recipe = RunFolder(project / "out"), loaded(project, "audit.labels=[labels.jsonl]")
    await kept_audit(project, folder, always_a)
    with pytest.raises(UnfitJudgeError) as raised:
        require_fit(recipe, folder)
    said = str(raised.value)
    assert "agrees with people in 50.0 %" in said
    assert "try: a larger judge" in said
    assert "unaudited: true" in said
    allowed = loaded(project, "audit.labels=[labels.jsonl]", "unaudited=true")
    require_fit(allowed, folder)
    assert warning(allowed, folder).startswith("The judge failed its audit")
    by_construction = loaded(project, "audit.labels=[labels.jsonl]", "labeling.decide=construction")
    require_fit(by_construction, folder)
    assert warning(by_construction, folder) == ""


async def test_a_judge_that_passed_labels_and_its_audit_travels_with_them(project: Path) -> None:
    folder, recipe = RunFolder(project / "out"), loaded(project, "audit.labels=[labels.jsonl]")
    await kept_audit(project, folder, truthful())
    require_fit(recipe, folder)
    assert warning(recipe, folder) == ""
    trusted = trust(recipe, folder)
    assert trusted is not None
    assert trusted.digest == json.loads(folder.audit.read_text())["digest"]
    # Right in 120 of 120 pairs: surer than the 90 % that it says, and never certain.
    assert 0.9 < trusted.calibrated(0.9) < 1


def test_a_warning_says_that_nobody_audited(project: Path) -> None:
    folder = RunFolder(project / "out")
    assert warning(loaded(project, "unaudited=true"), folder).startswith("Unaudited")
    assert trust(loaded(project), folder) is None


def test_a_model_named_by_itself_has_a_name_for_its_run() -> None:
    assert judge_recipe("Qwen/Qwen3-8B", labels=(), budget=None).recipe.name == "audit-qwen3-8b"
    with pytest.raises(DocumentError, match="budget"):
        judge_recipe("embedded", labels=(), budget=0)


def test_a_run_stops_at_the_audit_of_an_unfit_judge_before_it_asks_for_a_critique(
    project: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(project)
    few = ["audit.labels=[labels.jsonl]", "audit.thresholds.min_usable=30", "audit.probed=0"]
    arguments = ["run", "recipe.yaml", "--out", "out", *(part for each in few for part in ("--set", each))]
    assert main(arguments) == 1
    told = capsys.readouterr()
    assert "is not fit to label" in told.err
    assert not (project / "out" / "data").exists()
    assert not list(read_rows(project / "out" / "audit" / "answers"))[40:]
