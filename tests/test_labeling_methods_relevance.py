"""How much likelier the conversation makes each response."""

import math
from pathlib import Path

import pytest

from engine.scripted import ScriptedEngine
from labeling.methods.relevance import CONTENT_FREE
from prompts.message import Prompt
from prompts.render import Family
from tests.labeling_fixtures import ask, judge, swapped

ASKED = {"GOOD": -3.0, "BAD": -2.0}
ALONE = {"GOOD": -6.0, "BAD": -2.4}
"""The conversation adds 3 nats to the good response and 0.4 to the bad one, of two tokens each."""


def rated(prompt: Prompt, completion: str) -> float:
    said = prompt.text or prompt.messages[-1].content
    return (ALONE if CONTENT_FREE[0].content in said else ASKED)[completion.split()[0]]


@pytest.mark.parametrize("family", ["chat", "transcript"])
async def test_what_the_conversation_adds_is_compared_a_token(family: Family, tmp_path: Path) -> None:
    way = judge(method="relevance", family=family, relevance={"temperature": 0.5})
    judgment, context = await ask(ScriptedEngine(score=rated), tmp_path, way)
    vote = judgment.votes[0]
    assert (vote.first_score, vote.second_score) == pytest.approx((1.5, 0.2))
    assert vote.principle == ""
    assert vote.forward.logit == pytest.approx(2.6)
    assert judgment.probability == pytest.approx(1 / (1 + math.exp(-2.6)))
    assert len(context.keys) == 4


async def test_or_in_all(tmp_path: Path) -> None:
    way = judge(method="relevance", relevance={"length_normalized": False, "temperature": 2.0})
    judgment, _ = await ask(ScriptedEngine(score=rated), tmp_path, way)
    assert judgment.forward_logit == pytest.approx(1.3)


async def test_the_swapped_pair_has_the_swapped_probability(tmp_path: Path) -> None:
    way = judge(method="relevance")
    judgment, _ = await ask(ScriptedEngine(score=rated), tmp_path, way)
    (tmp_path / "swapped").mkdir()
    other, _ = await ask(ScriptedEngine(score=rated), tmp_path / "swapped", way, pair=swapped())
    assert judgment.probability is not None
    assert other.probability == pytest.approx(1 - judgment.probability)


def test_it_reads_no_principles() -> None:
    with pytest.raises(ValueError, match="`method: relevance` reads no principles"):
        judge(method="relevance", principles=4)
