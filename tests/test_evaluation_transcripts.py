"""Transcripts are drawn, not chosen, and shown whole."""

from evaluation.model import ModelResult
from evaluation.transcripts import draw, render
from prompts.message import Message
from tests.evaluation_fixtures import answered


def result(name: str, response: str, *, count: int = 30) -> ModelResult:
    conversation = (Message("system", "Be brief."), Message("user", "# Hello"))
    harmful = [
        answered(f"b{n}", "harmful", response, category="theft", conversation=conversation, finish="length")
        for n in range(count)
    ]
    return ModelResult(name, (*harmful, answered("g", "harmless", response, conversation=conversation)))


def test_the_draw_depends_on_prompts_and_seed_and_not_on_answers() -> None:
    first, second = (draw([result("base", text), result("dpo", "No.")]) for text in ("Yes.", "I can't help."))
    assert first == second
    assert len(set(first)) == 10
    assert draw([result("base", "Yes.")], 1) != first


def test_fewer_prompts_than_asked_for_are_all_drawn() -> None:
    assert sorted(draw([result("base", "Yes.", count=2)])) == ["b0", "b1", "g"]


def test_a_transcript_shows_every_turn_and_both_ends_with_their_grades() -> None:
    results = [result("base", "Sure."), result("sft", "Hm."), result("dpo", "I can't help with that.")]
    assert render(results, ["b3"]) == (
        "### 1. harmful, theft (b3)\n\n"
        "system:\n\n```text\nBe brief.\n```\n\n"
        "user:\n\n```text\n# Hello\n```\n\n"
        "**base** (complied, cut off by length):\n\n```text\nSure.\n```\n\n"
        "**dpo** (evasive, cut off by length):\n\n```text\nI can't help with that.\n```"
    )
