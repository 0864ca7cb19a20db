"""What a reward model gives each response alone."""

import math
from dataclasses import replace
from pathlib import Path

import pytest
from pydantic import ValidationError

from critique.model import Text
from engine.protocol import CallError, EngineUnavailable
from engine.scripted import ScriptedEngine
from labeling.settings import LabelingSettings
from pipeline.context import Context
from pipeline.journal import Journal
from prompts.message import Prompt
from prompts.render import Family
from tests.labeling_fixtures import PAIR, ask, judge


def rated(prompt: Prompt, completion: str) -> float:
    return 1.5 if "GOOD" in completion else -0.5


@pytest.mark.parametrize("family", ["chat", "transcript"])
async def test_the_label_is_a_logistic_of_the_difference_and_no_order_is_asked(
    family: Family, tmp_path: Path
) -> None:
    engine = ScriptedEngine(reward=rated)
    judgment, context = await ask(engine, tmp_path, judge(method="reward", family=family))
    vote = judgment.votes[0]
    assert (vote.first_score, vote.second_score) == (1.5, -0.5)
    assert (vote.forward.logit, vote.backward.logit) == (2.0, -2.0)
    assert vote.forward.mass is None
    assert judgment.probability == pytest.approx(1 / (1 + math.exp(-2)))
    assert judgment.verdict == "first"
    assert (vote.principle, judgment.template, judgment.template_hash) == ("", "", "")
    assert len(context.keys) == 2
    assert {call.completion for call in engine.calls} == {"GOOD answer", "BAD answer"}
    assert all(call.prompt.messages == PAIR.conversation for call in engine.calls)


async def test_the_temperature_is_the_recipes(tmp_path: Path) -> None:
    way = judge(method="reward", reward={"temperature": 4.0})
    judgment, _ = await ask(ScriptedEngine(reward=rated), tmp_path, way)
    assert judgment.probability == pytest.approx(1 / (1 + math.exp(-0.5)))


async def test_an_answer_that_was_cut_off_is_rated_as_one(tmp_path: Path) -> None:
    engine = ScriptedEngine(reward=rated)
    pair = replace(PAIR, second=Text("BAD answer", True, 2))
    await ask(engine, tmp_path, judge(method="reward"), pair=pair)
    assert {call.completion: call.finished for call in engine.calls} == {
        "GOOD answer": True,
        "BAD answer": False,
    }


async def test_a_panel_of_reward_models_votes_once_each(tmp_path: Path) -> None:
    engines = {
        "judge": ScriptedEngine(reward=rated, name="one"),
        "other": ScriptedEngine(reward=lambda prompt, completion: 0.0, name="other"),
    }
    way = judge(method="reward", judges=("judge", "other"))
    with Journal(tmp_path / "journal.log") as journal:
        judgment = await way.judge(PAIR, Context(engines, journal, seed=1).row("row"))
    assert [vote.judge for vote in judgment.votes] == ["judge", "other"]
    assert judgment.probability == pytest.approx((1 / (1 + math.exp(-2)) + 0.5) / 2)


async def test_a_reward_is_asked_once_over_two_runs_and_one_that_is_no_number_is_not_kept(
    tmp_path: Path,
) -> None:
    for calls in (2, 0):
        engine = ScriptedEngine(reward=rated)
        await ask(engine, tmp_path, judge(method="reward"))
        assert len(engine.calls) == calls
    (tmp_path / "other").mkdir()
    with pytest.raises(CallError) as caught:
        await ask(ScriptedEngine(reward=lambda *_: math.nan), tmp_path / "other", judge(method="reward"))
    assert caught.value.reason == "nan_reward"


async def test_a_judge_that_answers_in_words_stops_the_run(tmp_path: Path) -> None:
    with pytest.raises(EngineUnavailable, match="gives no rewards"):
        await ask(ScriptedEngine(), tmp_path, judge(method="reward"))


def test_a_reward_model_reads_no_principles() -> None:
    with pytest.raises(ValidationError, match="leave `principles` out"):
        LabelingSettings(method="reward", principles=3)
