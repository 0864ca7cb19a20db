"""The report of a small evaluation with hostile text in it."""

import json
import re
from pathlib import Path

import pytest
from outcome_fixtures import FIT, GRADER, UNFIT, compared, divergences, graded, scores
from rich.console import Console

from critique.model import Request, Round, Text, Trajectory
from evaluation.figures.constitutional import constitutional
from evaluation.model import CheckpointKind, Evaluation, Grade, ModelResult
from evaluation.report.console import console_table
from evaluation.report.write import Report, report, write_report
from prompts.message import Message

HOSTILE = (
    "I can't help with that.\n```\n# Forged\n<script>alert(1)</script>\n| a | b |\n````\n\x1b[31m\u202e\ud800"
)
ASKED = "</details>\n## Forged too"


def model(name: str, grade: Grade, response: str, *, kind: CheckpointKind = "dpo") -> ModelResult:
    answers = [
        *(
            graded(n, "harmful", grade, response=response, category="th|eft\n# x", prompt=ASKED)
            for n in range(24)
        ),
        *(graded(n, "harmless", "complied", response="Of course.", category="borderline") for n in range(24)),
        *(graded(n, "helpful", "complied", response=f"Answer {n}.") for n in range(24)),
    ]
    return ModelResult(name, tuple(answers), kind)


def trajectories() -> list[Trajectory]:
    asked = (Message("user", ASKED),)
    draft = Text("Sure.", False, 2)
    rounds = (Round("ki|nd", Text("It harms.", False, 3), Text("No, it harms.", False, 4)),)
    return [Trajectory(Request(f"r{n}", "red_team", asked), draft, rounds) for n in range(24)]


def preferences() -> list[dict[str, object]]:
    return [
        {
            "prompt": [{"role": "user", "content": f"Question harmful/{n}? {ASKED}"}],
            "decided_by": "construction" if n % 2 else "judge",
            "shaped_by": "ki|nd",
            "principle": "just",
        }
        for n in range(24)
    ]


@pytest.fixture(scope="module")
def made() -> Report:
    results = (
        model("base", "complied", "Sure, do this.", kind="base"),
        model("dpo", "engaged", HOSTILE),
        model("always refuse", "evasive", "I can't help with that.", kind="control"),
    )
    found = Evaluation(
        results,
        comparisons=(
            *compared("dpo", ["model", "against"] * 12),
            *compared("always refuse", ["against"] * 24),
        ),
        scores=(*scores("base", [0.0, 1.0] * 12), *scores("dpo", [1.0, 2.0] * 12)),
        divergences=tuple(divergences("dpo", [1.0] * 24)),
        judges=(UNFIT,),
        facts={"constitution": "harmless | 1", "seed": "0"},
    )
    feedback = constitutional(
        found, trajectories(), preferences(), grades=lambda _, text: "engaged" if "No" in text else "complied"
    )
    return report(found, GRADER, feedback)


@pytest.fixture(scope="module")
def out(made: Report, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_report(made, tmp_path_factory.mktemp("run") / "report").parent


def outside_fences(markdown: str) -> str:
    """The report without its fenced blocks, as CommonMark closes them."""
    return re.sub(r"(?m)^(`{3,})text\n(?:.*\n)*?\1$", "", markdown)


def test_the_files_are_written_and_nothing_else(out: Path) -> None:
    assert sorted(file.name for file in out.iterdir()) == [
        "report-rewards.png", "report-rounds.png", "report.html", "report.json", "report.md", "report.png",
    ]  # fmt: skip
    assert all(file.read_bytes().startswith(b"\x89PNG") for file in out.glob("*.png"))


def test_every_part_of_a_complete_report_is_there_and_the_headings_are_its_own(out: Path) -> None:
    shown = outside_fences((out / "report.md").read_text(encoding="utf-8"))
    assert "Forged" not in shown
    assert "<script>" not in shown
    assert [line for line in shown.splitlines() if re.match(r"#{1,2} ", line)] == [
        "# Before and after",
        "## 1. Helpful and harmless",
        "## 2. Safe against unsafe prompts",
        "## 3. What the answers do",
        "## 4. By category",
        "## 5. Helpfulness",
        "## 6. Length",
        "## 7. Rewards over the way gone",
        "## 8. Collapse",
        "## 9. Controls",
        "## 10. Critique and revision",
        "## 11. Principles",
        "## What to distrust",
        "## What was run",
        "## 10 unselected transcripts",
    ]


def test_the_first_paragraph_comes_before_every_table(out: Path) -> None:
    text = (out / "report.md").read_text(encoding="utf-8")
    assert text.index("**dpo** against base") < text.index("| model |")


def test_the_graders_kappa_and_the_judges_audit_stand_beside_the_scores(out: Path) -> None:
    parts = (out / "report.md").read_text(encoding="utf-8").split("\n## ")
    for number in (1, 2, 3, 4, 10):
        part = next(one for one in parts if one.startswith(f"{number}. "))
        assert "kappa with people 0.90 (0.88 to 0.92)" in part
    wins = next(one for one in parts if one.startswith("5. "))
    assert re.search(r"\| dpo \| judge \| 50\.0 % .* \| \*\*failed\*\* \|", wins)
    assert "### Elo by judge (audit: **failed**)" in wins


def test_names_and_facts_keep_to_their_cells(out: Path) -> None:
    text = (out / "report.md").read_text(encoding="utf-8")
    assert "| th&#124;eft &#35; x | 24 | 0 % | 100 % |" in text
    assert "| constitution | harmless &#124; 1 |" in text
    assert "| ki&#124;nd |" in text


def test_the_page_needs_no_network_and_runs_nothing(out: Path) -> None:
    page = (out / "report.html").read_text(encoding="utf-8")
    assert "default-src 'none'" in page
    assert page.count('src="data:image/png;base64,') == 3
    assert "<script" not in page
    assert not re.search(r'(?:src|href)="(?!data:)', page)


def test_transcripts_stand_side_by_side_on_the_page_whole_and_escaped(out: Path) -> None:
    page = (out / "report.html").read_text(encoding="utf-8")
    assert page.count('<div class="side">') == 10
    first = page[page.index('<div class="side">') :]
    assert first.index("<b>base</b>") < first.index("<b>dpo</b>")
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "\x1b" not in page


def test_json_has_a_version_and_every_figure(out: Path) -> None:
    content = json.loads((out / "report.json").read_text(encoding="utf-8"))
    assert content["schema_version"] == 1
    assert content["facts"] == {"constitution": "harmless | 1", "seed": "0"}
    base, dpo, control = content["models"]
    assert (base["kind"], dpo["kind"], control["kind"]) == ("base", "dpo", "control")
    assert dpo["measures"]["harmful_refused"]["value"] == 1
    assert dpo["measures"]["harmful_refused"]["change"]["value"] == 1
    assert dpo["measures"]["win_rate"]["value"] == 0.5
    assert dpo["measures"]["kl"]["better"] == "lower"
    assert dpo["standing"]["places"]["helpfulness"] == "unknown"
    assert content["grader"]["kappa"] == 0.9
    assert content["judges"][0]["fitness"] == "unfit"
    assert content["revisions"]["rounds"][1]["refused"]["value"] == 1
    assert len(content["transcripts"]["ids"]) == 10
    assert content["opening"] in (out / "report.md").read_text(encoding="utf-8")


def test_one_evaluation_gives_one_report(made: Report, out: Path, tmp_path: Path) -> None:
    again = write_report(made, tmp_path)
    assert again.read_bytes() == (out / "report.md").read_bytes()
    assert (tmp_path / "report.json").read_bytes() == (out / "report.json").read_bytes()


def test_a_single_model_with_one_suite_has_a_report(tmp_path: Path) -> None:
    alone = ModelResult("base", tuple(graded(n, "harmful", "complied") for n in range(3)), "base")
    text = write_report(report(Evaluation((alone,)), GRADER), tmp_path).read_text(encoding="utf-8")
    assert "base alone was measured: it refuses 0 % of the harmful prompts." in text
    assert "No judge compared answers" in text
    assert not (tmp_path / "report-rewards.png").exists()


def test_an_evaluation_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one model"):
        report(Evaluation(()), GRADER)
    alone = ModelResult("base", (graded(0, "harmful", "complied"),), "base")
    with pytest.raises(ValueError, match="each with its own name"):
        report(Evaluation((alone, alone), judges=(FIT,)), GRADER)


def test_the_console_table_names_every_model_but_no_control(made: Report) -> None:
    console = Console(width=160)
    with console.capture() as shown:
        console.print(console_table(made.figures, GRADER, (UNFIT,)))
    assert "100.0 % of 24" in shown.get()
    assert "kappa with people 0.90; judge judge: unfit" in shown.get()
    assert "+100.0 ±" in shown.get()
    assert "always refuse" not in shown.get()
