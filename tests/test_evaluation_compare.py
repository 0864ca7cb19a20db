"""A judge's preference between two models' answers, asked in both orders of a scripted engine."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from engine.scripted import ScriptedEngine
from evaluation.compare import Comparer, drawn, pairings
from evaluation.model import Answer, Comparison
from labeling.judge import Judge
from labeling.settings import LabelingSettings
from pipeline.context import Context
from pipeline.journal import Journal
from prompts.message import Prompt
from prompts.render import Prompts
from tests.evaluation_fixtures import answered
from tests.run_fixtures import constitution, principles


def answer(name: str, response: str, *, run: str = "") -> Answer:
    return answered(name, "helpful", response, run=run).answer


async def compared(
    tmp_path: Path, engine: ScriptedEngine, one: str, other: str, **settings: object
) -> Comparison:
    judge = Judge(
        constitution(*principles("kind", "short")),
        Prompts("chat"),
        LabelingSettings.model_validate(settings),
    )
    [pairing] = pairings("dpo", [answer("h/a", one)], "base", others=[answer("h/a", other)])
    with Journal(tmp_path / "answers.log") as journal:
        context = Context({"judge": engine}, journal, 0)
        return await Comparer(judge, "judge")(pairing, context.row(pairing.id))


def prefers(text: str, *, strength: float = 0.9) -> ScriptedEngine:
    """Says A with this probability where A is the response that holds the text, and else B."""

    def choose(prompt: Prompt, labels: tuple[str, ...]) -> Mapping[str, float]:
        shown = " ".join(message.content for message in prompt.messages)
        first, second = labels
        before = shown.index(text) < shown.index("OTHER")
        return {first: strength, second: 1 - strength} if before else {first: 1 - strength, second: strength}

    return ScriptedEngine(choice=choose)


async def test_a_judge_that_reads_prefers_the_same_response_in_both_orders(tmp_path: Path) -> None:
    found = await compared(tmp_path, prefers("MINE"), "MINE is good", "OTHER")
    assert (found.winner, found.points, found.consistent) == ("model", 1.0, True)
    assert found.probability == pytest.approx(0.9)
    assert (found.forward, found.backward) == (pytest.approx(0.9), pytest.approx(0.9))
    assert (found.words, found.words_against) == (3, 1)
    assert len(found.keys) == 2


async def test_a_judge_that_always_says_a_makes_a_tie(tmp_path: Path) -> None:
    engine = ScriptedEngine(choice=lambda _prompt, labels: {labels[0]: 0.9, labels[1]: 0.1})
    found = await compared(tmp_path, engine, "MINE", "OTHER")
    assert (found.winner, found.points, found.consistent) == ("tie", 0.5, False)
    assert (found.forward, found.backward) == (pytest.approx(0.9), pytest.approx(0.1))


async def test_identical_responses_are_shown_to_nobody(tmp_path: Path) -> None:
    engine = ScriptedEngine()
    found = await compared(tmp_path, engine, "the same", "the same")
    assert (found.winner, found.probability, engine.calls) == ("identical", None, [])


async def test_a_judgment_that_cannot_be_read_is_no_tie(tmp_path: Path) -> None:
    engine = ScriptedEngine(choice=lambda _prompt, labels: dict.fromkeys(labels, 0.01))
    found = await compared(tmp_path, engine, "MINE", "OTHER")
    assert (found.winner, found.points, found.probability) == ("unparsed", None, None)


def test_only_prompts_that_both_answered_are_compared() -> None:
    mine, others = [answer("h/a", "1"), answer("h/b", "2")], [answer("h/b", "3"), answer("h/c", "4")]
    assert [pairing.id for pairing in pairings("dpo", mine, "base", others=others)] == ["h/b"]


def test_the_prompts_to_compare_on_are_drawn_by_kind() -> None:
    answers = [
        answered(f"{kind}/{n}", kind, "x").answer for kind in ("harmful", "helpful") for n in range(20)
    ]
    chosen = drawn(answers, ("helpful",), limit=5)
    assert len(chosen) == 5
    assert all(name.startswith("helpful/") for name in chosen)
    assert chosen == drawn(answers[::-1], ("helpful",), limit=5)
    assert len(drawn(answers, ("helpful", "harmful"), limit=None)) == 40
