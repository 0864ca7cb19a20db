"""`solon run` by a recipe of prompts with references, rewarded by verifiers; and what stops it before."""

import json
from importlib.util import find_spec
from pathlib import Path

import pytest
from online_recipes import SHORT, write_recipe, write_rows

from solon.cli import main
from solon.loaded_recipe import LoadedRecipe, load_recipe
from solon.validate import problems

PARTS = [
    {"verifier": {"check": "number"}},
    {"verifier": {"check": "pattern", "reference": "<answer>", "name": "form"}, "weight": 0.1},
    {"function": "brevity"},
]
VERIFIED = {
    "data": {"prompts": {"path": "sums.jsonl"}},
    "training": {"grpo": {**SHORT, "batch_size": 4, "num_generations": 4, "reward_funcs": PARTS}},
}


@pytest.fixture
def project(tmp_path: Path, tiny_model: Path) -> Path:
    write_recipe(tmp_path / "recipe.yaml", tiny_model, VERIFIED)
    sums = [{"prompt": f"{a} + {a}?", "answer": 2 * a, "source": "made"} for a in range(3)]
    write_rows(tmp_path / "sums.jsonl", sums)
    return tmp_path


def loaded(project: Path, *overrides: str) -> LoadedRecipe:
    return load_recipe(project / "recipe.yaml", overrides)


def test_prompts_with_references_alone_make_a_run(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(project)
    assert main(["run", "recipe.yaml", "--out", "out"]) == 0
    told = "".join(capsys.readouterr())
    assert "grpo: 3 rows, score" in told
    metrics = json.loads((project / "out" / "models" / "grpo" / "metrics.json").read_text())
    assert {"score/number", "score/form", "score/brevity", "groups_without_variance"} <= set(metrics)
    assert main(["run", "recipe.yaml", "--out", "out"]) == 0
    assert "grpo: done before" in "".join(capsys.readouterr())


def test_another_answer_is_another_run(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(project)
    assert main(["train", "grpo", "recipe.yaml", "--out", "out"]) == 0
    (project / "sums.jsonl").write_text('{"prompt": "1 + 1?", "answer": 3}\n')
    assert main(["train", "grpo", "recipe.yaml", "--out", "out"]) != 0


def test_a_prompt_that_cannot_be_verified_is_told(project: Path) -> None:
    assert problems(loaded(project), project / "out") == []
    with (project / "sums.jsonl").open("a") as file:
        file.write('{"prompt": "2 + 2?", "answer": "four"}\n')
    [text] = problems(loaded(project), project / "out")
    assert "data.prompts, row 4" in text
    assert "does not hold one number" in text
    (project / "sums.jsonl").write_text('{"prompt": "2 + 2?"}\n')
    [text] = problems(loaded(project), project / "out")
    assert "there is no column `answer`, which check: number reads" in text


def test_what_does_not_go_together_is_told(project: Path) -> None:
    def found(*overrides: str) -> list[str]:
        return problems(loaded(project, *overrides), project / "out")

    [text] = found("training.grpo.helpful_share=0.5")
    assert "`training.grpo.helpful_share` asks for helpful prompts, and there are none" in text
    [text] = found("training.grpo.reward_funcs=[{reward_model: run}]")
    assert "`training.grpo` is scored by the run's reward model, and the recipe trains none" in text
    [text] = found("training.sft={}")
    assert "`training.sft` learns from answers to red-team prompts, and there are none" in text


@pytest.mark.skipif(find_spec("vllm") is not None, reason="vLLM is installed")
def test_vllm_that_is_not_installed_is_told(project: Path) -> None:
    [text] = problems(loaded(project, "training.grpo.use_vllm=true"), project / "out")
    assert "`training.grpo.use_vllm` needs the package vllm" in text
