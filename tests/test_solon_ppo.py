"""`solon train ppo` on a real, random model: rewarded, kept, measured; and what stops it before."""

import json
from pathlib import Path

import pytest
from online_recipes import RED_TEAM, SHORT, prompts, write_recipe, write_rows
from training_fixtures import reward_model

from solon.cli import main
from solon.loaded_recipe import LoadedRecipe, load_recipe
from solon.programs import prompts_to_answer
from solon.validate import problems
from training.settings import PPOSettings

__all__ = ["reward_model"]

PPO = {
    **SHORT, "learning_rate": 0.005, "generation_batch_size": 2, "num_ppo_epochs": 1, "value_warmup": 0,
    "warmup_ratio": 0, "reward_funcs": [{"function": "brevity"}],
}  # fmt: skip
REWARDED = {
    "data": RED_TEAM | {"helpful": {"path": "helpful.jsonl"}},
    "training": {"ppo": PPO},
    "evaluation": {
        "harmful": {"path": "harmful.jsonl"},
        "harmless": {"path": "harmless.jsonl"},
        "max_tokens": 4,
    },
}


@pytest.fixture
def project(tmp_path: Path, tiny_model: Path) -> Path:
    write_recipe(tmp_path / "recipe.yaml", tiny_model, REWARDED)
    for name, count in (("red", 4), ("helpful", 20), ("harmful", 1), ("harmless", 1)):
        write_rows(tmp_path / f"{name}.jsonl", prompts(name, count))
    return tmp_path


def loaded(project: Path, *overrides: str) -> LoadedRecipe:
    return load_recipe(project / "recipe.yaml", overrides)


def ppo(**changes: object) -> PPOSettings:
    return PPOSettings.model_validate(changes)


def test_a_run_trains_against_a_reward_and_measures_what_came_out(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(project)
    assert main(["train", "ppo", "recipe.yaml", "--out", "out"]) == 0
    told = capsys.readouterr()
    assert "ppo: 4 rows, score" in told.out + told.err
    metrics = json.loads((project / "out" / "models" / "ppo" / "metrics.json").read_text())
    assert {"score/brevity", "kl", "eos_rate", "length"} <= set(metrics)
    assert main(["evaluate", "recipe.yaml", "--out", "out"]) == 0
    report = json.loads((project / "out" / "report.json").read_text())
    assert [model["kind"] for model in report["models"]] == ["base", "ppo", *["control"] * 4]
    assert main(["train", "ppo", "recipe.yaml", "--out", "out"]) == 0
    assert "ppo: done before" in "".join(capsys.readouterr())


def test_a_reward_model_of_another_run_scores(
    project: Path, reward_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(project)
    part = f"training.ppo.reward_funcs=[{{reward_model: {reward_model}, normalize: false}}]"
    assert main(["train", "ppo", "recipe.yaml", "--out", "out", "--set", part]) == 0
    metrics = json.loads((project / "out" / "models" / "ppo" / "metrics.json").read_text())
    assert f"score/{reward_model.name}" in metrics


def test_helpful_prompts_are_drawn_to_their_share_by_the_seed(project: Path) -> None:
    def texts(recipe: LoadedRecipe, share: float) -> list[str]:
        rows = prompts_to_answer(recipe, ppo(helpful_share=share))
        assert list(rows) == list(rows)
        return [row["prompt"][-1]["content"] for row in rows]  # type: ignore[index]

    red = [f"red {number}?" for number in range(4)]
    assert texts(loaded(project), 0) == red
    half = texts(loaded(project), 0.5)
    assert half[:4] == red
    assert len(half) == 8
    assert all(text.startswith("helpful") for text in half[4:])
    assert texts(loaded(project, "seed=1"), 0.5) != half
    assert len(texts(loaded(project), 0.9)) == 24  # as many as there are


def test_a_reward_that_will_not_be_there_is_told(project: Path) -> None:
    def found(*overrides: str) -> list[str]:
        return problems(loaded(project, *overrides), project / "out")

    assert found() == []
    [text] = found("training.ppo.reward_funcs=[{reward_model: run}]")
    assert "is scored by the run's reward model, and the recipe trains none" in text
    [text] = found("training.ppo.reward_funcs=[{reward_model: ./nowhere}]")
    assert "training.ppo.reward_funcs[0].reward_model: there is no folder" in text
    model = loaded(project).assistant.model
    [text] = found(f"training.ppo.reward_funcs=[{{reward_model: {model}}}]")
    assert "is no reward model with one output" in text
    [text] = found("training.ppo.helpful_share=0.5", "data.helpful=null")
    assert "asks for helpful prompts, and there are none" in text


def test_a_reward_model_without_a_scale_is_told(project: Path, reward_model: Path) -> None:
    (reward_model / "reward.json").unlink(missing_ok=True)
    part = f"{{reward_model: {reward_model}}}"
    [text] = problems(loaded(project, f"training.ppo.reward_funcs=[{part}]"), project / "out")
    assert "has no reward.json" in text
    plain = f"{{reward_model: {reward_model}, normalize: false}}"
    assert problems(loaded(project, f"training.ppo.reward_funcs=[{plain}]"), project / "out") == []


def test_the_runs_own_reward_model_is_gated_by_the_audit(project: Path) -> None:
    """Its labels decide what is learned, so the audit of the judge has to speak for it."""
    own = ("training.ppo.reward_funcs=[{reward_model: run}]", "training.reward={}", "labeling={}")
    [text] = problems(loaded(project, *own), project / "out")
    assert "nothing says how good they are" in text
    assert loaded(project, *own).recipe.gated
    assert not loaded(project).recipe.gated
