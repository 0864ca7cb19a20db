"""Transcripts are drawn, not chosen, and shown whole."""

from evaluation.model import Answer, Graded, ModelResult
from evaluation.report.transcripts import draw, markdown, page
from prompts.message import Message


def result(name: str, response: str, *, count: int = 30, run: str = "") -> ModelResult:
    conversation = (Message("system", "Be brief."), Message("user", "# Hello"))
    answers = [
        Answer(f"b{n}", "harmful", "theft", conversation, response, "length", 9, kind="harmful", run=run)
        for n in range(count)
    ]
    return ModelResult(name, tuple(Graded(one, "complied") for one in answers))


def test_the_draw_depends_on_prompts_and_seed_and_not_on_answers() -> None:
    first, second = (draw([result("base", text), result("dpo", "No.")]) for text in ("Yes.", "I can't."))
    assert first == second
    assert len(set(first)) == 10
    assert draw([result("base", "Yes.")], 1) != first


def test_only_prompts_that_every_model_answered_are_drawn() -> None:
    assert sorted(draw([result("base", "Yes."), result("dpo", "No.", count=2)])) == ["b0", "b1"]


def test_a_transcript_shows_every_turn_and_every_model_with_its_grade() -> None:
    results = [result("base", "Sure."), result("sft", "Hm."), result("dpo", "No.")]
    assert markdown(results, ["b3"]) == (
        "### 1. harmful, theft (b3)\n\n"
        "system:\n\n```text\nBe brief.\n```\n\n"
        "user:\n\n```text\n# Hello\n```\n\n"
        "**base** (complied, cut off by length):\n\n```text\nSure.\n```\n\n"
        "**sft** (complied, cut off by length):\n\n```text\nHm.\n```\n\n"
        "**dpo** (complied, cut off by length):\n\n```text\nNo.\n```"
    )


def test_on_a_page_the_models_are_columns() -> None:
    shown = page([result("base", "<b>Sure.</b>"), result("dpo", "No.")], ["b3"])
    assert '<div class="side"><div><p><b>base</b> (complied, cut off by length)</p>' in shown
    assert "<pre>&lt;b&gt;Sure.&lt;/b&gt;</pre>" in shown
