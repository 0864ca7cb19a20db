"""Rewards of answers, as a reward model gives them."""

from pathlib import Path

from engine.scripted import ScriptedEngine
from evaluation.rate import Rated, Rater, to_rate
from pipeline.context import Context
from pipeline.journal import Journal
from tests.evaluation_fixtures import answered


async def test_an_answer_is_rated_as_it_was_given(tmp_path: Path) -> None:
    engine = ScriptedEngine(reward=lambda _prompt, completion: float(len(completion)))
    cut = answered("h/a", "helpful", "Four", finish="length", run="s0").answer
    with Journal(tmp_path / "answers.log") as journal:
        context = Context({"rater": engine}, journal, 0)
        found = await Rater("gold", "held_out")(Rated("dpo", cut), context.row("dpo/h/a"))
    assert (found.value, found.by, found.role, found.model, found.run) == (
        4.0,
        "gold",
        "held_out",
        "dpo",
        "s0",
    )
    [call] = engine.calls
    assert (call.completion, call.finished) == ("Four", False)
    assert call.prompt.messages == cut.conversation


def test_answers_without_a_word_are_left_out() -> None:
    answers = [answered(name, "helpful", text).answer for name, text in (("a", " "), ("b", "Yes."))]
    assert [rated.id for rated in to_rate("dpo", answers)] == ["dpo/b"]
