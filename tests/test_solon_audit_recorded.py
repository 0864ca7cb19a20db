"""`solon audit` of a file of verdicts, from the command line."""

import json
from pathlib import Path

import pytest

from solon.cli import main


def verdicts(file: Path, *, right: int, of: int = 160) -> Path:
    """So many pairs on which the judge is right in both orders; on the others it is wrong."""
    rows = [
        {
            "question": f"Question {number}?",
            "response_A": f"one answer {number}" + " more" * (number // 2 % 2),
            "response_B": f"other answer {number}" + " more" * (1 - number // 2 % 2),
            "label": "A>B" if number % 2 else "B>A",
            "judgments": ["A>B", "B>A"] if (number % 2 == 1) == (number < right) else ["B>A", "A>B"],
        }
        for number in range(of)
    ]
    file.write_text("\n".join(map(json.dumps, rows)) + "\n")
    return file


def test_recorded_verdicts_are_audited_like_a_judge(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = verdicts(tmp_path / "verdicts.jsonl", right=150)
    assert main(["audit", str(file), "--out", str(tmp_path / "out")]) == 0
    kept = json.loads((tmp_path / "out" / "audit" / "audit.json").read_text())
    assert kept["figures"]["agreement"]["accuracy"]["value"] == pytest.approx(150 / 160)
    assert kept["figures"]["position"]["consistency"]["value"] == 1
    assert kept["verdict"]["passed"]
    assert "fit to label by this recipe's thresholds" in capsys.readouterr().out
    assert "verdicts recorded in verdicts.jsonl" in (tmp_path / "out" / "audit" / "audit.md").read_text()


def test_settings_of_the_audit_are_read(tmp_path: Path) -> None:
    file = verdicts(tmp_path / "verdicts.jsonl", right=150)
    command = ["audit", str(file), "--out", str(tmp_path / "out"), "--set"]
    assert main([*command, "audit.thresholds.min_accuracy=0.95"]) == 0
    assert not json.loads((tmp_path / "out" / "audit" / "audit.json").read_text())["verdict"]["passed"]


def test_neither_a_run_nor_another_audit_is_written_over(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, out = verdicts(tmp_path / "verdicts.jsonl", right=150), tmp_path / "out"
    for _ in range(2):
        assert main(["audit", str(file), "--out", str(out)]) == 0
    verdicts(file, right=100)
    assert main(["audit", str(file), "--out", str(out)]) == 2
    assert "of other verdicts" in capsys.readouterr().err
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "recipe.yaml").write_text("name: run\n")
    assert main(["audit", str(file), "--out", str(tmp_path / "run")]) == 2
    assert "holds a run" in capsys.readouterr().err


def test_a_file_that_is_not_there_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["audit", str(tmp_path / "none.jsonl"), "--out", str(tmp_path / "out")]) == 2
    assert "none.jsonl" in capsys.readouterr().err
