"""Scores: summed by weight, read off a reward model as its engine reads it, and checked one by one."""

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from training_fixtures import reward_model, tiny, tiny_model

from engine.reward import RewardEngine
from engine.settings import ModelSettings
from prompts.message import Message, Prompt
from training.model import TrainingError
from training.reward_functions import FUNCTIONS, brevity, no_repetition
from training.reward_part import RewardPart
from training.rewards import Answer, ByFunction, Part, Reward, open_reward

__all__ = ["reward_model", "tiny_model"]

PROMPT = (Message("user", "How are you?"),)
ANSWERS = [
    Answer(PROMPT, "Well.", finished=True),
    Answer(PROMPT, "I am rather tired, since", finished=False),
    Answer((Message("user", "Hm"),), "Yes?", finished=True),
]


def constant(*numbers: float) -> ByFunction:
    return ByFunction(lambda _prompts, _completions: numbers)


def test_a_score_is_the_weighted_sum_of_its_parts() -> None:
    reward = Reward((Part("a", constant(1, 2, 3), 1.0), Part("b", constant(0, 10, -10), 0.5)))
    scores = reward(ANSWERS)
    assert scores.total == (1, 7, -2)
    assert scores.parts == {"a": (1, 2, 3), "b": (0, 10, -10)}


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


@pytest.mark.parametrize(
    ("numbers", "said"),
    [
        ((1.0, 2.0), "gave 2 numbers for 3 answers"),
        ((1.0, float("nan"), 2.0), "gave nan to the answer 'I am rather tired, since'"),
        ((1.0, 2.0, float("inf")), "gave inf to the answer 'Yes?'"),
        (("a", 1.0, 2.0), "failed: ValueError"),
    ],
)
def test_each_answer_needs_one_finite_number(numbers: Sequence[float], said: str) -> None:
    with pytest.raises(TrainingError) as told:
        Reward((Part("mine", constant(*numbers), 1.0),))(ANSWERS)
    assert "the reward mine" in str(told.value)
    assert said in str(told.value)


def test_a_function_that_raises_is_named() -> None:
    def raises(*_: object) -> list[float]:
        raise KeyError("colour")

    with pytest.raises(TrainingError, match="the reward mine failed: KeyError: 'colour'"):
        Reward((Part("mine", ByFunction(raises), 1.0),))(ANSWERS)


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
