"""Scores: summed by weight, and checked one by one."""

from collections.abc import Sequence

import pytest

from prompts.message import Message
from training.model import TrainingError
from training.raters import ByFunction
from training.rewards import Answer, Part, Reward

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


def test_a_function_that_rates_nothing_is_an_error() -> None:
    def nothing(_prompts: object, completions: Sequence[str]) -> list[None]:
        return [None] * len(completions)

    reward = Reward((Part("mine", ByFunction(nothing), 1.0),))  # type: ignore[arg-type]
    with pytest.raises(TrainingError, match="the reward mine could not rate any of 3 answers"):
        reward(ANSWERS)
