"""Judges that are asked while a method trains, on a real, random model: scored, compared, gated."""

import json
from pathlib import Path

import pytest
from audit_fixtures import audited, pairs
from labeling_fixtures import always_a
from online_recipes import RED_TEAM, SHORT, prompts, write_recipe, write_rows

from engine.scripted import ScriptedEngine
from labeling.audit.record import audit, write_audit
from labeling.audit.thresholds import Thresholds
from labeling.settings import LabelingSettings
from solon.audit import UnfitJudgeError, online_warning, require_fit
from solon.cli import main
from solon.loaded_recipe import LoadedRecipe, load_recipe
from solon.run_folder import RunFolder
from solon.validate import problems

SCORED = {
    "unaudited": True,
    "data": RED_TEAM,
    "labeling": {"pairs": [], "method": "pointwise", "min_label_mass": 0, "principles": 2},
    "training": {"ppo": {**SHORT, "reward_funcs": [{"judge": "pointwise"}]}},
}
COMPARED = {
    "unaudited": True,
    "data": RED_TEAM,
    "labeling": {"pairs": [], "min_label_mass": 0, "combine": "mean_logit"},
    "training": {"online_dpo": SHORT},
}
CHAINED = {
    "data": RED_TEAM,
    "critique": {
        **{said: {"max_tokens": 8} for said in ("respond", "critique", "revise")},
        "selection": {"keep_cut_off": "all", "max_repetition": 1, "max_similarity": 1},
    },
    "labeling": {"pairs": ["revision"], "decide": "construction", "min_label_mass": 0},
    "training": {"reward": {"dtype": "float32", "max_length": 512, "held_out": 0}, "ppo": SHORT},
}


@pytest.fixture
def project(tmp_path: Path, tiny_model: Path) -> Path:
    for name, sections in (("scored", SCORED), ("compared", COMPARED), ("chained", CHAINED)):
        write_recipe(tmp_path / f"{name}.yaml", tiny_model, sections)
    write_rows(tmp_path / "red.jsonl", prompts("red", 4))
    labels = [{"prompt": f"Q{n}?", "chosen": f"yes {n}", "rejected": f"no {n}"} for n in range(60)]
    write_rows(tmp_path / "labels.jsonl", labels)
    return tmp_path


def loaded(project: Path, name: str, *overrides: str) -> LoadedRecipe:
    return load_recipe(project / f"{name}.yaml", overrides)


def found(project: Path, name: str, *overrides: str) -> list[str]:
    return problems(loaded(project, name, *overrides), project / "out")


@pytest.mark.parametrize(("name", "method"), [("scored", "ppo"), ("compared", "online_dpo")])
def test_a_method_asks_the_recipes_judge_and_its_card_says_so_first(
    project: Path, name: str, method: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(project)
    assert loaded(project, name).recipe.stages == ("critique", method)
    assert main(["train", method, f"{name}.yaml", "--out", "out"]) == 0
    said = "".join(capsys.readouterr())
    assert f"{method}: 4 rows" in said
    assert " calls asked, " in said
    folder = project / "out" / "models" / method
    card = (folder / "README.md").read_text()
    assert card.index("Unaudited: the labels are a judge's") < card.index("# ")
    assert "by method " in card
    metrics = json.loads((folder / "metrics.json").read_text())
    assert {"kl", "eos_rate", "length"} <= set(metrics)
    again = project / "out" / "models" / f"{method}-before"
    folder.rename(again)
    assert main(["train", method, f"{name}.yaml", "--out", "out"]) == 0
    assert f"{method}: 0 calls asked, " in "".join(capsys.readouterr())
    weights = "adapter_model.safetensors"
    assert (folder / weights).read_bytes() == (again / weights).read_bytes()


def test_a_judge_that_nobody_checks_is_no_reward_unless_the_recipe_says_so(project: Path) -> None:
    assert found(project, "scored") == found(project, "compared") == []
    for name in ("scored", "compared"):
        [text] = found(project, name, "unaudited=false")
        assert "nothing says how good they are" in text


def test_an_audit_by_another_way_says_nothing_about_scores(project: Path) -> None:
    given = ("audit.labels=[labels.jsonl]", "audit.thresholds.min_usable=30")
    gated = (*given, "unaudited=false")
    assert found(project, "scored", *gated) == []
    [text] = found(project, "scored", *gated, "labeling.method=ab")
    assert "the audit asks it by `ab`" in text
    assert found(project, "scored", *given, "labeling.method=ab") == []


def test_judges_that_only_rate_cannot_score_in_words(project: Path, tiny_model: Path) -> None:
    rates = (
        "labeling.method=reward",
        "labeling.principles=1",
        f"models.judge={{engine: reward, model: {tiny_model}}}",
    )
    assert any("they are reward models" in text for text in found(project, "scored", *rates))


def test_stages_that_learn_from_labels_need_some(project: Path) -> None:
    [text] = found(project, "scored", "training.dpo={}")
    assert "the recipe has no `labeling` to make any" in text


async def test_a_judge_that_failed_its_audit_stops_what_asks_it_and_nothing_else(
    project: Path, tmp_path: Path
) -> None:
    folder = RunFolder(tmp_path / "run")
    given = pairs(120)
    answers = await audited(ScriptedEngine(choice=always_a), project, given)
    folder.audit.parent.mkdir(parents=True)
    write_audit(folder.audit, audit(answers, given, LabelingSettings(), thresholds=Thresholds(), judge={}))
    recipe = loaded(project, "compared", "unaudited=false", "audit.labels=[labels.jsonl]")
    assert recipe.recipe.learns_from_judge == ("online_dpo",)
    with pytest.raises(UnfitJudgeError, match="not fit to label"):
        require_fit(recipe, folder)
    allowed = loaded(project, "compared", "audit.labels=[labels.jsonl]")
    require_fit(allowed, folder)
    settings = allowed.online("online_dpo")
    assert settings is not None
    assert "failed its audit" in online_warning(allowed, folder, settings)


def test_one_run_goes_from_labels_through_a_reward_model_to_ppo(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(project)
    assert main(["run", "chained.yaml", "--out", "out"]) == 0
    models = project / "out" / "models"
    metrics = json.loads((models / "ppo" / "metrics.json").read_text())
    assert {"score/reward", "kl", "explained_variance"} <= set(metrics)
    assert "| step | score | kl |" in (models / "ppo" / "README.md").read_text()
    assert (models / "reward" / "reward.json").is_file()
