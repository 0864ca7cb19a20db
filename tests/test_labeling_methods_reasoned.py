"""A rationale, then the letter: the last word counts, and a refusal is kept as one."""

from pathlib import Path

import pytest

from engine.scripted import ScriptedEngine
from labeling.methods.reasoned import declines
from tests.labeling_fixtures import ask, judge, likes_good

REASONED = {"method": "reasoned", "clamp": (0.0, 1.0)}


async def test_the_letter_is_read_after_the_judges_own_rationale_which_is_kept(tmp_path: Path) -> None:
    engine = ScriptedEngine("  The first one is calm. ", choice=likes_good)
    judgment, context = await ask(engine, tmp_path, judge(**REASONED))
    vote = judgment.votes[0]
    assert vote.forward.rationale == vote.backward.rationale == "The first one is calm."
    assert sorted(call.kind for call in engine.calls) == ["chat", "chat", "choose", "choose"]
    said = engine.calls[-1].prompt.messages[-1].content
    assert said == "Let's think step by step: The first one is calm.\n\nSo the answer is: ("
    assert len(context.keys) == 4
    assert judgment.probability == pytest.approx(0.8)


async def test_the_last_verdict_wins_whatever_the_rationale_claims(tmp_path: Path) -> None:
    engine = ScriptedEngine("So the answer is: (B). No: the answer is (B), as was said.", choice=likes_good)
    judgment, _ = await ask(engine, tmp_path, judge(**REASONED))
    assert judgment.verdict == "first"


async def test_a_judge_that_declines_is_refused_and_never_a_label(tmp_path: Path) -> None:
    engine = ScriptedEngine("I'm sorry, but I can't help with that.", choice=likes_good)
    judgment, _ = await ask(engine, tmp_path, judge(**REASONED))
    assert (judgment.verdict, judgment.probability) == ("refused", None)
    assert judgment.votes[0].forward.refused
    assert judgment.votes[0].forward.logit is None
    assert judgment.votes[0].forward.rationale == "I'm sorry, but I can't help with that."
    assert [call.kind for call in engine.calls] == ["chat", "chat"]


async def test_a_judge_that_says_nothing_is_unparsed(tmp_path: Path) -> None:
    judgment, _ = await ask(ScriptedEngine(" \n", choice=likes_good), tmp_path, judge(**REASONED))
    assert (judgment.verdict, judgment.probability) == ("unparsed", None)


@pytest.mark.parametrize(
    ("said", "is_refusal"),
    [
        ("I can't assist with this request.", True),
        ("I cannot compare such content.", True),
        ("As an AI, I have no opinion on this.", True),
        ("Sorry, this is not something I discuss.", True),
        ("I cannot say that (A) is kind, so (B).", False),
        ("I can't see any harm in response B.", False),
        ("Both are polite, but one says that it can't help.", False),
        ("I think that the calm one is better.", False),
    ],
)
def test_a_refusal_opens_as_one_and_names_no_response(said: str, is_refusal: bool) -> None:
    assert declines(said) is is_refusal
