"""`solon constitution diff` from the command line: what an edit flips in a real run of a random model."""

import json
from pathlib import Path

import pytest

from solon.cli import main

RECIPE = """\
name: small
constitution: ./mine.yaml
data:
  red_team: {path: red.jsonl}
models:
  assistant: {model: MODEL}
critique:
  respond: {max_tokens: 6}
  critique: {max_tokens: 6}
  revise: {max_tokens: 6}
  selection: {keep_cut_off: all, max_repetition: 1, max_similarity: 1}
labeling: {pairs: [revision], min_label_mass: 0}
"""
CONSTITUTION = """\
name: mine
version: "1"
principles:
  - id: kind
    critique_request: Is it kind?
    revision_request: Make it kind.
    comparison_question: Which is kinder?
  - id: true
    critique_request: Is it true?
    revision_request: Make it true.
    comparison_question: Which is truer?
"""


def test_an_edit_is_compared_over_a_run_which_then_finds_the_answers(
    tmp_path: Path,
    tiny_model: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "recipe.yaml").write_text(RECIPE.replace("MODEL", str(tiny_model)))
    text = CONSTITUTION.replace("id: true", 'id: "true"')
    (tmp_path / "mine.yaml").write_text(text)
    (tmp_path / "old.yaml").write_text(text)
    rows = [json.dumps({"prompt": f"Question {number}?"}) for number in range(12)]
    (tmp_path / "red.jsonl").write_text("\n".join(rows) + "\n")
    assert main(["run", "recipe.yaml", "--out", "out"]) == 0
    kept = (tmp_path / "out" / "journal" / "answers.log").read_bytes()
    (tmp_path / "mine.yaml").write_text(text.replace("Which is kinder?", "Which is kinder to the weak?"))
    capsys.readouterr()
    diff = ["constitution", "diff", "old.yaml", "mine.yaml", "--run", "out", "--json", "told.json"]
    assert main([*diff, "--count"]) == 0
    assert not (tmp_path / "out.diff").exists()
    assert main(diff) == 0
    said = capsys.readouterr().out
    assert "    + Which is kinder to the weak?" in said
    told = json.loads((tmp_path / "told.json").read_text())
    touched = told["run"]["labels"]["touched"]
    assert told["run"]["calls"] == {"before": 0, "after": 2 * touched}
    assert 0 < touched < told["run"]["labels"]["pairs"]
    assert told["run"]["critiques"]["touched"] == 0
    assert (tmp_path / "out" / "journal" / "answers.log").read_bytes() == kept
    assert main(["run", "recipe.yaml", "--out", "out", "--accept-changes"]) == 0
    said = capsys.readouterr().out
    assert "critique: 0 calls asked" in said
    assert "label: 0 calls asked" in said


def test_a_difference_alone_needs_no_run_and_a_count_needs_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["constitution", "diff", "harmless", "helpful_harmless"]) == 0
    assert "reweighted  animal-cruelty\n    weight: 1 -> 0.5\n" in capsys.readouterr().out
    assert main(["constitution", "diff", "harmless", "starter", "--count"]) == 2
    assert "--run RUN" in capsys.readouterr().err
    assert main(["constitution", "diff", "harmless", "starter", "--run", "nowhere"]) == 2
    assert "holds no run" in capsys.readouterr().err
