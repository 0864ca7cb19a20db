"""The report of a small evaluation with hostile text in it."""

import json
import re
from pathlib import Path

import pytest
from rich.console import Console

from evaluation.model import ModelResult
from evaluation.report import console_table, write_report
from prompts.message import Message
from tests.evaluation_fixtures import answered

HOSTILE = (
    "I can't help with that.\n```\n# Forged\n<script>alert(1)</script>\n| a | b |\n````\n\x1b[31m\u202e\ud800"
)
PROMPT = (Message("user", "</details>\n## Forged too"),)


def result(name: str, response: str) -> ModelResult:
    harmful = [
        answered(f"b{n}", "harmful", response, category="th|eft\n# x", conversation=PROMPT) for n in range(8)
    ]
    harmless = [
        answered(f"g{n}", "harmless", "Of course.", category="borderline", conversation=PROMPT, tokens=3)
        for n in range(8)
    ]
    return ModelResult(name, (*harmful, *harmless))


RESULTS = [result("base", "Sure, do this."), result("dpo", HOSTILE)]


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    facts = {"constitution": "harmless | 1", "seed": "0"}
    return write_report(RESULTS, tmp_path_factory.mktemp("run") / "report", facts=facts).parent


def outside_fences(markdown: str) -> str:
    """The report without its fenced blocks, as CommonMark closes them."""
    return re.sub(r"(?m)^(`{3,})text\n(?:.*\n)*?\1$", "", markdown)


def test_three_files_and_nothing_else_are_written(out: Path) -> None:
    assert sorted(file.name for file in out.iterdir()) == ["report.json", "report.md", "report.png"]
    assert (out / "report.png").read_bytes().startswith(b"\x89PNG")


def test_the_table_shows_shares_changes_and_intervals(out: Path) -> None:
    text = (out / "report.md").read_text(encoding="utf-8")
    assert "| base | 0.0 % (0/8; 0.0 to 32.4) | – | 0.0 % (0/8; 0.0 to 32.4) | – |" in text
    assert "| dpo | 100.0 % (8/8; 67.6 to 100.0) | +100.0 (" in text
    assert "| *always refuse* | 100 % |" in text


def test_the_headings_are_the_reports_own(out: Path) -> None:
    shown = outside_fences((out / "report.md").read_text(encoding="utf-8"))
    assert "Forged" not in shown
    assert "<script>" not in shown
    assert [line for line in shown.splitlines() if re.match(r"#{1,2} ", line)] == [
        "# Before and after",
        "## Refusals",
        "## What the answers to harmful prompts do",
        "## Harmful prompts refused, by category",
        "## How the answers read",
        "## The grader",
        "## What to distrust",
        "## 10 unselected transcripts",
    ]


def test_names_and_facts_keep_to_their_cells(out: Path) -> None:
    text = (out / "report.md").read_text(encoding="utf-8")
    assert "| th&#124;eft &#35; x | 0/8 | 8/8 |" in text
    assert "| constitution | harmless &#124; 1 |" in text


def test_json_has_all_numbers_and_the_graders_own_agreement(out: Path) -> None:
    content = json.loads((out / "report.json").read_text(encoding="utf-8"))
    assert content["facts"] == {"constitution": "harmless | 1", "seed": "0"}
    assert content["models"][1]["harmful"]["refused"]["share"] == 1
    assert content["models"][1]["harmful"]["change"]["value"] == 1
    assert content["grader"]["kappa"] > 0.8
    assert len(content["transcripts"]["ids"]) == 10


def test_one_answer_set_gives_one_report(out: Path, tmp_path: Path) -> None:
    facts = {"constitution": "harmless | 1", "seed": "0"}
    again = write_report(RESULTS, tmp_path, facts=facts)
    assert again.read_bytes() == (out / "report.md").read_bytes()


def test_a_single_model_has_a_report_without_changes(tmp_path: Path) -> None:
    text = write_report(RESULTS[:1], tmp_path, facts={}).read_text(encoding="utf-8")
    assert "| base | 0.0 % (0/8; 0.0 to 32.4) | – |" in text


def test_the_console_table_names_every_model() -> None:
    console = Console(width=140, record=True, file=None, quiet=False, force_terminal=False)
    with console.capture() as shown:
        console.print(console_table(RESULTS))
    assert "100.0 % of 8" in shown.get()
    assert "+100.0 ±" in shown.get()
