"""The letter at once, and its negation."""

import math
from pathlib import Path

import pytest

from engine.scripted import ScriptedEngine
from prompts.render import Family
from tests.labeling_fixtures import ask, asked, good_first, judge, likes_good


def exchanged(text: str) -> str:
    return text.replace("GOOD", "MIDDLE").replace("BAD", "GOOD").replace("MIDDLE", "BAD")


@pytest.mark.parametrize("family", ["chat", "transcript"])
async def test_both_orders_ask_the_same_drawn_question_with_the_responses_swapped(
    family: Family, tmp_path: Path
) -> None:
    engine = ScriptedEngine(choice=likes_good)
    judgment, _ = await ask(engine, tmp_path, judge(family=family))
    first, second = (call.prompt for call in engine.calls)
    assert f"Which is better by {judgment.votes[0].principle}?" in asked(first)
    assert good_first(first)
    assert not good_first(second)
    assert exchanged(asked(second)) == asked(first)


@pytest.mark.parametrize("family", ["chat", "transcript"])
async def test_negated_votes_ask_for_the_worse_one_and_count_the_other_way_round(
    family: Family, tmp_path: Path
) -> None:
    engine = ScriptedEngine(choice=likes_good)
    way = judge(family=family, negated=True)
    assert way.templates == ("compare", "compare_negated")
    judgment, _ = await ask(engine, tmp_path, way)
    plain, negated = judgment.votes
    assert (plain.negated, negated.negated) == (False, True)
    assert plain.principle == negated.principle
    # P(A) is 0.2 where the good one is shown first and the worse one asked for: ln(0.2 / 0.8), turned.
    assert negated.forward.logit == pytest.approx(math.log(4))
    assert negated.backward.logit == pytest.approx(-math.log(4))
    assert judgment.probability == pytest.approx(0.8)
    assert "which response is the worse one" in asked(engine.calls[2].prompt)


async def test_a_judge_that_names_the_same_response_whatever_is_asked_makes_a_tie(tmp_path: Path) -> None:
    def deaf(prompt, labels):
        return {"A": 0.8, "B": 0.2} if good_first(prompt) else {"A": 0.2, "B": 0.8}

    judgment, _ = await ask(ScriptedEngine(choice=deaf), tmp_path, judge(negated=True))
    assert judgment.probability == pytest.approx(0.5)
    assert judgment.unity == 0.5


async def test_all_votes_on_one_order_begin_alike_up_to_the_principle(tmp_path: Path) -> None:
    engine = ScriptedEngine(choice=likes_good)
    await ask(engine, tmp_path, judge(principles="all", negated=True))
    begun = {asked(call.prompt).partition("Which is better by")[0] for call in engine.calls}
    assert len(engine.calls) == 12
    assert len(begun) == 2
