"""Validation: every problem at once, and none for a recipe that can run."""

import json
import re
from pathlib import Path

import pytest

from constitution.document import DocumentError
from solon.loaded_recipe import load_recipe
from solon.run_folder import open_run_folder
from solon.validate import problems
from training.trackers import lacking

TEXT = """\
name: small
constitution: starter
data:
  red_team: {path: red.jsonl}
  helpful: {path: helpful.jsonl}
models: {assistant: {model: ./model}}
evaluation:
  harmful: {path: harmful.jsonl}
  harmless: {path: harmless.jsonl}
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "recipe.yaml").write_text(TEXT, encoding="utf-8")
    for name in ("red", "helpful", "harmful", "harmless"):
        (tmp_path / f"{name}.jsonl").write_text(f'{{"id": "{name}-1", "prompt": "A {name} prompt?"}}\n')
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "config.json").write_text("{}")
    (tmp_path / "model" / "model.safetensors").write_text("")
    return tmp_path


def found(project: Path, *overrides: str) -> list[str]:
    texts = problems(load_recipe(project / "recipe.yaml", overrides), project / "out")
    return [text.replace(f"{project}/", "") for text in texts]


def test_a_recipe_that_can_run_has_no_problem_and_nothing_is_written(project: Path) -> None:
    before = sorted(project.rglob("*"))
    assert found(project) == []
    assert sorted(project.rglob("*")) == before


def test_everything_wrong_is_told_at_once(project: Path) -> None:
    texts = found(
        project,
        "constitution=harmles",
        "prompts.folder=nowhere",
        "data.helpful.path=helpfull.jsonl",
        "models.assistant.model=./modle",
    )
    assert len(texts) == 4
    assert texts[0].startswith("harmles: no constitution")
    assert texts[1].startswith("nowhere: no such folder")
    assert texts[2].startswith("data.helpful: helpfull.jsonl: no such file")
    assert texts[3].startswith("models.assistant: there is no folder modle")


def test_a_template_with_an_unknown_variable_is_told(project: Path) -> None:
    (project / "mine").mkdir()
    (project / "mine" / "respond.j2").write_text('{% call turn("user") %}{{ conversatoin }}{% endcall %}')
    [text] = found(project, "prompts.folder=mine")
    assert "mine/respond.j2:1: unknown variable 'conversatoin'; did you mean 'conversation'?" in text


def test_a_held_out_prompt_in_the_data_is_told(project: Path) -> None:
    (project / "harmful.jsonl").write_text('{"id": "x", "prompt": "a RED prompt"}\n')
    [text] = found(project)
    assert "`harmful/x` is `red-1` of the training data" in text


def test_an_id_of_both_training_files_is_told(project: Path) -> None:
    (project / "helpful.jsonl").write_text('{"id": "red-1", "prompt": "Something else?"}\n')
    [text] = found(project)
    assert "data.red_team and data.helpful: both have a row with the id `red-1`" in text


def comparisons(path: Path, *prompts: str) -> None:
    rows = [{"prompt": prompt, "chosen": "Gladly.", "rejected": "No."} for prompt in prompts]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def test_a_held_out_prompt_in_peoples_comparisons_is_told(project: Path) -> None:
    comparisons(project / "people.jsonl", "What is rain?", "a HARMFUL prompt")
    mix = "labeling.helpfulness={path: people.jsonl, share: 0.2}"
    [text] = found(project, mix)
    assert "`harmful/harmful-1` is `helpfulness/people.jsonl/" in text
    comparisons(project / "people.jsonl", "What is rain?", "What is snow?")
    assert found(project, mix) == []


def test_comparisons_that_cannot_be_read_are_told(project: Path) -> None:
    [text] = found(project, "labeling.helpfulness={path: peple.jsonl, share: 0.2}")
    assert text.startswith("labeling.helpfulness: peple.jsonl: no such file")
    (project / "people.jsonl").write_text('{"prompt": "What is rain?", "chosen": "Water."}\n')
    [text] = found(project, "labeling.helpfulness={path: people.jsonl, share: 0.2}")
    assert "no `rejected`: the columns are prompt, chosen" in text


def test_preferences_that_are_not_exported_cannot_be_learnt(project: Path) -> None:
    given = ("labeling={pairs: [best_of_n], exports: [ranked]}", "unaudited=true")
    [text] = found(project, "training.dpo={}", *given)
    assert "learns from `data/preferences`, which `labeling.exports` leaves out" in text
    assert found(project, *given) == []


@pytest.mark.parametrize(
    ("labeling", "problem"),
    [
        ("{exports: [unpaired]}", "add `preferences` to `exports`"),
        ("{exports: [preferences, ranked]}", "`pairs` does not have: add it there"),
        ("{pairs: [best_of_n], sample: {temperature: 0}}", "all samples are equal"),
        (
            "{pairs: [best_of_n], exports: [ranked], helpfulness: {path: p.jsonl, share: 0.2}}",
            "`helpfulness` is mixed into the preferences",
        ),
        ("{best_of_n: {n: 1}}", "n"),
        ("{helpfulness: {path: p.jsonl, share: 1}}", "share"),
    ],
)
def test_settings_of_pairs_that_contradict_each_other_are_refused(
    project: Path, labeling: str, problem: str
) -> None:
    with pytest.raises(DocumentError, match=re.escape(problem)):
        load_recipe(project / "recipe.yaml", (f"labeling={labeling}",))


def test_a_constitution_must_have_what_the_stages_ask_for(project: Path) -> None:
    (project / "mine.yaml").write_text(
        'name: mine\nversion: "1"\nprinciples:\n  - {id: a, comparison_question: "Which is better?"}\n'
    )
    [text] = found(project, "constitution=./mine.yaml", "labeling={}")
    assert "no principle with a weight above 0 has critique and revision requests" in text


def test_preferences_without_labels_are_told(project: Path) -> None:
    [text] = found(project, "training.dpo={}")
    assert "`training.dpo` learns from labels, and the recipe has no `labeling`" in text


def test_a_served_assistant_cannot_be_trained(project: Path) -> None:
    served = ("models.assistant.engine=openai", "models.assistant.base_url=http://127.0.0.1:9/v1")
    texts = found(project, "training.sft={}", *served)
    assert "only a model that answers in this process can be trained" in texts[0]


def test_a_folder_with_other_settings_is_told(project: Path) -> None:
    open_run_folder(project / "out", load_recipe(project / "recipe.yaml"))
    assert found(project) == []
    [text] = found(project, "seed=1")
    assert "holds a run with other settings" in text


def test_a_way_to_label_that_needs_worked_comparisons_is_told_where_there_are_none(project: Path) -> None:
    (project / "mine.yaml").write_text(
        'name: mine\nversion: "1"\nprinciples:\n'
        "  - {id: a, critique_request: C, revision_request: R, comparison_question: Q}\n"
        "  - {id: b, comparison_question: Q, comparisons: [{prompt: p, chosen: c, rejected: r}]}\n"
    )
    [text] = found(project, "constitution=./mine.yaml", "labeling.method=few_shot")
    assert "`method: few_shot` shows worked comparisons, and these principles have none: a" in text
    assert found(project, "constitution=./mine.yaml", "labeling.method=pointwise") == []


def test_a_judge_that_votes_must_be_a_model_and_a_panel_must_vote(project: Path) -> None:
    strict = "models.panel={strict: {model: ./model}}"
    assert found(project, strict, "labeling.judges=[judge, strict]") == []
    [unknown, idle] = found(project, strict, "labeling.judges=[judge, strikt]")
    assert "`labeling.judges` names `strikt`, which `models.panel` does not have" in unknown
    assert "did you mean 'strict'?" in unknown
    assert "`models.panel.strict` judges nothing" in idle
    [gone] = found(project, "models.panel={strict: {model: ./modle}}", "labeling.judges=[strict]")
    assert gone.startswith("models.panel.strict: there is no folder modle")


def rating(folder: Path) -> str:
    """A reward model's folder, as a judge of the recipe."""
    folder.mkdir()
    config = {"architectures": ["LlamaForSequenceClassification"], "id2label": {"0": "LABEL_0"}}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "model.safetensors").write_text("")
    return f"models.judge={{engine: reward, model: ./{folder.name}}}"


def test_a_reward_model_judges_by_reward_and_nothing_else_does(project: Path) -> None:
    judge = rating(project / "rm")
    assert found(project, judge, "labeling.method=reward") == []
    [text] = found(project, judge, "labeling={}")
    assert "models.judge is a reward model, and `labeling.method: ab` asks in words" in text
    [text] = found(project, "labeling.method=reward")
    assert "`labeling.method: reward` asks for rewards, and models.judge answers in words" in text


def test_a_panel_is_of_one_sort(project: Path) -> None:
    panel = ("models.panel={strict: {model: ./model}}", "labeling.judges=[judge, strict]")
    [text] = found(project, rating(project / "rm"), *panel, "labeling.method=reward")
    assert "models.panel.strict answers in words" in text
    both = "models.panel={strict: {engine: reward, model: ./rm}}"
    judge = "models.judge={engine: reward, model: ./rm}"
    assert found(project, judge, both, panel[1], "labeling.method=reward") == []


def test_a_reward_model_judges_by_a_constitution_without_comparison_questions(project: Path) -> None:
    (project / "mine.yaml").write_text(
        'name: mine\nversion: "1"\nprinciples:\n  - {id: a, critique_request: C, revision_request: R}\n'
    )
    assert found(project, "constitution=./mine.yaml", rating(project / "rm"), "labeling.method=reward") == []


def test_a_reward_model_as_assistant_is_refused(project: Path) -> None:
    rating(project / "rm")
    texts = found(project, "models.assistant={engine: reward, model: ./rm}")
    assert "`models.assistant` is a reward model, which answers nothing" in texts[0]


def test_training_a_reward_model_needs_labels_and_an_audit_too(project: Path) -> None:
    [text] = found(project, "training.reward={}")
    assert "`training.reward` learns from labels, and the recipe has no `labeling`" in text
    [text] = found(project, "training.reward={}", "labeling={}")
    assert "`training.reward` learns from the judge's labels, and nothing says how good they are" in text
    assert found(project, "training.reward={}", "labeling={}", "unaudited=true") == []


@pytest.mark.parametrize(
    ("method", "export", "labeling"),
    [
        ("orpo", "preferences", "{pairs: [best_of_n], exports: [ranked]}"),
        ("kto", "unpaired", "{}"),
        ("rrhf", "ranked", "{}"),
    ],
)
def test_each_method_needs_the_export_that_it_reads(
    project: Path, method: str, export: str, labeling: str
) -> None:
    [text] = found(project, f"training.{method}={{}}", "unaudited=true")
    assert f"`training.{method}` learns from labels, and the recipe has no `labeling` to make any" in text
    [advice] = [line.split("`")[1] for line in text.splitlines() if line.startswith("  next: add")]
    section = advice.removeprefix("labeling: ")
    assert found(project, f"training.{method}={{}}", f"labeling={section}", "unaudited=true") == []
    [text] = found(project, f"training.{method}={{}}", f"labeling={labeling}", "unaudited=true")
    assert f"learns from `data/{export}`, which `labeling.exports` leaves out" in text


def test_training_on_a_judges_labels_by_any_method_needs_an_audit(project: Path) -> None:
    labeling = "labeling={pairs: [samples, best_of_n], exports: [preferences, unpaired, ranked]}"
    for method in ("dpo", "orpo", "kto", "rrhf"):
        [text] = found(project, f"training.{method}={{}}", labeling)
        assert f"`training.{method}` learns from the judge's labels" in text


def test_answers_that_nothing_could_be_held_against_are_told(project: Path) -> None:
    (project / "sums.jsonl").write_text('{"id": "a", "prompt": "2 + 3?", "answer": "five"}\n')
    sums = "evaluation.suites.sums={path: sums.jsonl, kind: verifiable"
    [text] = found(project, sums + "}")
    assert text.startswith("evaluation.suites.sums: answers to 'a' cannot be checked: the reference 'five'")
    [text] = found(project, sums + ", verifier: {check: exact, column: is}}")
    assert "there is no column `is`, which check: exact reads" in text
    [text] = found(
        project, "evaluation.suites.sums={path: sums.jsonl, kind: helpful, verifier: {check: exact}}"
    )
    assert "`verifier` has nothing to check" in text
    assert found(project, sums + ", verifier: {check: exact}}") == []
    with pytest.raises(DocumentError, match=r"there is no verifier 'exakt'.*did you mean 'exact'"):
        found(project, sums + ", verifier: {check: exakt}}")


def test_a_held_out_prompt_is_found_in_the_data_with_the_words_behind_it_and_without(project: Path) -> None:
    (project / "sums.jsonl").write_text('{"id": "a", "prompt": "2 + 3?", "answer": 5}\n')
    suite = "evaluation.suites.sums={path: sums.jsonl, kind: verifiable, append: 'Behind ####.'}"
    for prompt in ("2 + 3?", "2 + 3?\\n\\nBehind ####."):
        (project / "helpful.jsonl").write_text(f'{{"id": "helpful-1", "prompt": "{prompt}"}}\n')
        [text] = found(project, suite)
        assert "helpful-1" in text


def test_marks_that_nobody_can_give_are_told(project: Path) -> None:
    assert found(project, "evaluation.strongreject={}") == []
    panel = ("labeling={judges: [judge, other]}", "models.panel.other={model: ./model}")
    [text] = found(project, "evaluation.strongreject={}", *panel)
    assert "`labeling.judges` is a panel" in text
    [text] = found(project, "evaluation.strongreject={}", "evaluation.harmful=null")
    assert "has nothing to mark: no suite is of kind `harmful`" in text
    texts = found(project, "evaluation.strongreject={}", rating(project / "rm"), "labeling.method=reward")
    assert any("asks the judge in words, and it is a reward model" in text for text in texts)


def test_a_baseline_that_is_not_there_is_told(project: Path) -> None:
    (problem,) = found(project, "evaluation.gate={baseline: older.json}")
    assert "evaluation.gate: " in problem
    assert "older.json: is no report that can be read" in problem


def test_a_tracker_that_is_not_installed_is_told_before_the_run(project: Path) -> None:
    missing = next((name for name in ("mlflow", "wandb", "trackio", "tensorboard") if lacking(name)), None)
    if missing is None:
        pytest.skip("every tracker is installed")
    [text] = found(project, f"training.sft.report_to={missing}")
    assert f"`training.sft`: report_to: {missing} needs the package of that name" in text
    assert f"next: pip install {missing}, or set report_to: none" in text
