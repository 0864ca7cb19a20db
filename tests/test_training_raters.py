"""Who scores answers: a reward model as its engine reads it, the judges through the journal, functions."""

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from training_fixtures import reward_model, tiny, tiny_model

from engine.protocol import CallError, EngineUnavailable
from engine.reward import RewardEngine
from engine.scripted import ScriptedEngine
from engine.settings import ModelSettings
from prompts.message import Message, Prompt
from tests.labeling_fixtures import asked
from tests.online_judges import judging
from training.model import TrainingError
from training.raters import ByFunction, ByJudge, open_reward
from training.reward_functions import FUNCTIONS, brevity, no_repetition
from training.reward_part import RewardPart
from training.rewards import Answer, Part, Reward

__all__ = ["reward_model", "tiny_model"]

PROMPT = (Message("user", "How are you?"),)
ANSWERS = [
    Answer(PROMPT, "Well.", finished=True),
    Answer(PROMPT, "I am rather tired, since", finished=False),
    Answer((Message("user", "Hm"),), "Yes?", finished=True),
]


def by_words(prompt: Prompt, labels: tuple[str, ...]) -> dict[str, float]:
    """As many points as the answer has times the word."""
    return {label: 0.9 if label == str(asked(prompt).count("word")) else 1e-9 for label in labels}


def said(*texts: str) -> list[Answer]:
    return [Answer(PROMPT, text, finished=True) for text in texts]


def test_a_reward_model_gives_what_its_engine_gives(reward_model: Path, tiny_model: Path) -> None:
    (reward_model / "reward.json").write_text(
        json.dumps({"mean": 0.5, "sd": 2.0, "fitted_on": "both responses", "responses": 4})
    )
    settings = ModelSettings(engine="reward", model=str(reward_model), device="cpu", dtype="float32")
    engine = RewardEngine(settings)

    async def ask() -> list[float]:
        rewards = [
            await engine.reward(Prompt("", "", each.prompt), each.text, finished=each.finished)
            for each in ANSWERS
        ]
        await engine.close()
        return [each.value for each in rewards]

    plain = RewardPart(reward_model=str(reward_model), normalize=False)
    expected = asyncio.run(ask())
    assert open_reward([plain], tiny(tiny_model))(ANSWERS).total == pytest.approx(expected, abs=1e-5)
    scaled = open_reward([RewardPart(reward_model=str(reward_model))], tiny(tiny_model))(ANSWERS)
    assert scaled.total == pytest.approx([(each - 0.5) / 2 for each in expected], abs=1e-5)


def test_a_model_without_a_scale_is_refused_unless_its_rewards_are_taken_as_they_are(
    tiny_model: Path, tmp_path: Path
) -> None:
    with pytest.raises(TrainingError, match="set normalize: false"):
        open_reward([RewardPart(reward_model=str(tmp_path))], tiny(tiny_model))


def test_the_functions_that_come_with_solon() -> None:
    assert brevity([PROMPT], ["one two three four"]) == [-0.04]
    assert no_repetition([PROMPT] * 2, ["a b c d e", "a b c a b c"]) == [0, pytest.approx(-0.25)]
    assert set(FUNCTIONS) >= {"brevity", "no_repetition"}


def test_no_gradient_goes_through_a_reward_model(reward_model: Path, tiny_model: Path) -> None:
    part = RewardPart(reward_model=str(reward_model), normalize=False)
    [opened] = open_reward([part], tiny(tiny_model)).parts
    assert isinstance(opened.rate, object)
    model = getattr(opened.rate, "model")  # noqa: B009
    assert isinstance(model, torch.nn.Module)
    assert not any(weight.requires_grad for weight in model.parameters())


def test_the_judges_are_a_part_like_any_other(tiny_model: Path, tmp_path: Path) -> None:
    parts = [RewardPart(judge="pointwise", weight=2), RewardPart(function="brevity")]
    with judging(ScriptedEngine(choice=by_words), tmp_path) as judge:
        scores = open_reward(parts, tiny(tiny_model), judge=judge)(said("word " * 9, "word"))
    assert scores.parts["judge"] == pytest.approx((1, -1), abs=1e-6)
    assert scores.total == pytest.approx((2 - 0.09, -2 - 0.01), abs=1e-6)
    assert scores.unrated == {"judge": 0}


def test_the_judges_are_asked_while_others_rate(tmp_path: Path) -> None:
    """What is asked elsewhere has been asked before the first function is."""
    engine, calls = ScriptedEngine(choice=by_words), list[int]()

    def counts(_prompts: object, completions: Sequence[str]) -> list[float]:
        calls.append(len(engine.calls))
        return [0.0] * len(completions)

    with judging(engine, tmp_path) as judge:
        reward = Reward((Part("late", ByFunction(counts), 1), Part("judge", ByJudge(judge), 1)))
        wait = reward.begin(said("word", "word word"))
        judge.scores([])()  # the loop has come round
        while len(engine.calls) < 2:
            pass
        wait()
    assert calls == [2]


def test_what_cannot_be_judged_weighs_nothing_and_is_counted(tiny_model: Path, tmp_path: Path) -> None:
    """The mean of the others to the same prompt; of all, where the prompt has no other."""

    def refuses(prompt: Prompt, labels: tuple[str, ...]) -> dict[str, float]:
        if "long" in asked(prompt):
            raise CallError("too_long", "it does not fit")
        return by_words(prompt, labels)

    other = (Message("user", "Hm"),)
    answers = [*said("word", "word " * 5, "long"), Answer(other, "long", finished=True)]
    with judging(ScriptedEngine(choice=refuses), tmp_path) as judge:
        reward = open_reward([RewardPart(judge="pointwise")], tiny(tiny_model), judge=judge)
        scores = reward([*answers, Answer((Message("user", "So"),), "word " * 9, finished=True)])
    assert scores.total == pytest.approx((-1, 0, -0.5, 0, 1), abs=1e-6)
    assert scores.unrated == {"judge": 2}


def test_a_judge_that_fails_is_an_error_of_its_own(tiny_model: Path, tmp_path: Path) -> None:
    def gone(_prompt: Prompt, _labels: tuple[str, ...]) -> dict[str, float]:
        raise EngineUnavailable("nobody answers")

    with judging(ScriptedEngine(choice=gone), tmp_path) as judge:
        reward = open_reward([RewardPart(judge="pointwise")], tiny(tiny_model), judge=judge)
        with pytest.raises(EngineUnavailable, match="nobody answers"):
            reward(said("word"))
    with pytest.raises(TrainingError, match="asks the judge, and none was given"):
        open_reward([RewardPart(judge="pointwise")], tiny(tiny_model))
