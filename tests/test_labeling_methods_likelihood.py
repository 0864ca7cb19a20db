"""How much likelier the principle makes each response."""

import math
from pathlib import Path

import pytest

from engine.protocol import CallError
from engine.scripted import ScriptedEngine
from prompts.message import Prompt
from prompts.render import Family
from tests.labeling_fixtures import ask, judge

LOGPROBS = {
    ("follow", "GOOD"): -3.0,
    ("respond", "GOOD"): -4.0,
    ("follow", "BAD"): -2.5,
    ("respond", "BAD"): -2.1,
}
"""The principle adds 1.0 nats to the good response and takes 0.4 from the bad one, of two tokens each."""


def rated(prompt: Prompt, completion: str) -> float:
    return LOGPROBS[prompt.template, completion.split()[0]]


@pytest.mark.parametrize("family", ["chat", "transcript"])
async def test_what_the_principle_adds_is_compared_a_token(family: Family, tmp_path: Path) -> None:
    engine = ScriptedEngine(score=rated)
    judgment, context = await ask(engine, tmp_path, judge(method="likelihood", family=family))
    vote = judgment.votes[0]
    assert (vote.first_score, vote.second_score) == pytest.approx((0.5, -0.2))
    assert vote.forward.logit == pytest.approx(7.0)
    assert vote.backward.logit == pytest.approx(-7.0)
    assert vote.forward.mass is None
    assert judgment.probability == pytest.approx(1 / (1 + math.exp(-7)))
    assert len(context.keys) == 4


async def test_or_in_all_at_the_recipes_temperature(tmp_path: Path) -> None:
    way = judge(method="likelihood", likelihood={"length_normalized": False, "temperature": 2.0})
    judgment, _ = await ask(ScriptedEngine(score=rated), tmp_path, way)
    assert judgment.forward_logit == pytest.approx(0.7)


async def test_the_opposite_prompt_may_take_the_plain_ones_place(tmp_path: Path) -> None:
    opposed = LOGPROBS | {("go_against", "GOOD"): -5.0, ("go_against", "BAD"): -2.4}
    engine = ScriptedEngine(score=lambda prompt, text: opposed[prompt.template, text.split()[0]])
    way = judge(method="likelihood", likelihood={"against": "opposite"})
    judgment, context = await ask(engine, tmp_path, way)
    # Two nats more for the good response, a tenth less for the bad one, over two tokens each.
    vote = judgment.votes[0]
    assert (vote.first_score, vote.second_score) == pytest.approx((1.0, -0.05))
    assert way.templates == ("follow", "go_against")
    assert len(context.keys) == 4


async def test_a_transcript_goes_on_behind_a_space(tmp_path: Path) -> None:
    engine = ScriptedEngine(score=rated)
    await ask(engine, tmp_path, judge(method="likelihood", family="transcript"))
    assert {call.completion for call in engine.calls} == {" GOOD answer", " BAD answer"}


async def test_all_principles_share_what_is_asked_without_one(tmp_path: Path) -> None:
    engine = ScriptedEngine(score=rated)
    judgment, context = await ask(engine, tmp_path, judge(method="likelihood", principles="all"))
    assert len(judgment.votes) == 3
    assert len(context.keys) == 12
    assert [call.prompt.template for call in engine.calls].count("respond") == 2
    assert len(engine.calls) == 8


async def test_a_likelihood_that_is_no_number_is_a_failed_call(tmp_path: Path) -> None:
    engine = ScriptedEngine(score=lambda prompt, completion: math.nan)
    with pytest.raises(CallError) as caught:
        await ask(engine, tmp_path, judge(method="likelihood"))
    assert caught.value.reason == "nan_logprob"
