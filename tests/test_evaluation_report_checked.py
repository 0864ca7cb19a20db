"""Right answers in a report: the table, the record that a gate reads, the transcripts."""

import json
from dataclasses import replace
from pathlib import Path

from outcome_fixtures import GRADER, checks, suite

from evaluation.figures.figures import figures
from evaluation.model import CheckpointKind, Evaluation, Graded, ModelResult, Score
from evaluation.report.checked import accuracy
from evaluation.report.write import report, write_report


def result(name: str, kind: CheckpointKind, *graded: Graded) -> ModelResult:
    return ModelResult(name, graded or tuple(suite("verifiable", ["complied"] * 8)), kind)


MODELS = (result("base", "base"), result("grpo", "grpo"), result("echo", "control"))
SCORES: tuple[Score, ...] = (
    *checks("base", [1, 0, 0, 0, 0, 0, 0, 0]),
    *checks("grpo", [1, 1, 1, 1, 1, 1, 1, 0]),
    *checks("echo", [0] * 8),
)


def test_the_table_has_each_model_its_share_and_its_points() -> None:
    text = accuracy(figures(Evaluation(MODELS, scores=SCORES)))
    assert "| model | prompts | right | points |" in text
    assert "| base | all | 12.5 % (" in text
    assert "| grpo | all | 87.5 % (" in text
    assert "| **+75.0 (" in text
    assert "| *echo* | all | 0.0 % (" in text


def test_nothing_checked_is_no_part() -> None:
    assert accuracy(figures(Evaluation(MODELS))) == ""


def test_several_suites_stand_below_all_and_are_measures_of_their_own(tmp_path: Path) -> None:
    answers = [*suite("verifiable", ["complied"] * 4)]
    answers += [
        Graded(replace(one.answer, suite="code", id=f"code/{number}"), one.grade)
        for number, one in enumerate(answers)
    ]
    scores = (*checks("base", [1, 1, 1, 0]), *checks("base", [0, 0, 0, 1], suite="code"))
    made = report(Evaluation((result("base", "base", *answers),), scores=scores), GRADER)
    text = write_report(made, tmp_path).read_text(encoding="utf-8")
    assert "| base | all | 50.0 %" in text
    assert "| base | code | 25.0 %" in text
    model = json.loads((tmp_path / "report.json").read_text())["models"][0]
    values = {name: one["value"] for name, one in model["measures"].items()}
    assert values == {"accuracy": 0.5, "accuracy:verifiable": 0.75, "accuracy:code": 0.25}
    assert model["by_prompt"]["accuracy:code"] == {"code/0": 0, "code/1": 0, "code/2": 0, "code/3": 1}


def test_an_evaluation_of_checked_answers_alone_has_a_whole_report(tmp_path: Path) -> None:
    text = write_report(report(Evaluation(MODELS, scores=SCORES), GRADER), tmp_path).read_text("utf-8")
    assert "What got better: verifiable prompts answered right 12 → 88 % (+75 points" in text
    assert "## 1. Helpful and harmless" in text, "where they stand on what was measured"
    assert "## 4. Right answers" in text
    assert "**grpo** (right):" in text
    assert "**grpo** (wrong):" in text
    assert not (tmp_path / "report.png").exists()
    content = json.loads((tmp_path / "report.json").read_text())
    assert content["models"][1]["measures"]["accuracy"]["change"]["clusters"] == 8
    assert content["models"][1]["standing"]["places"]["right answers"] == "better"
    assert content["models"][2]["standing"]["better"] is False
    assert "reward:verifiable: number" not in content["models"][1]["measures"]
