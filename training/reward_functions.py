"""Rewards that are plain functions of text: prompts and completions in, a number for each completion out.

`FUNCTIONS` is the registry that `reward_funcs: [{function: NAME}]` of a recipe names; a program that calls
Solon adds its own before it reads a recipe. A function is asked once for each rollout.
"""

from collections.abc import Callable, Sequence

from critique.select import repetition
from prompts.message import Conversation

RewardFunction = Callable[[Sequence[Conversation], Sequence[str]], Sequence[float]]


def no_repetition(_prompts: Sequence[Conversation], completions: Sequence[str]) -> list[float]:
    """0 where no three words occur twice, down to -1 where a text runs in circles."""
    return [-repetition(text.split()) for text in completions]


def brevity(_prompts: Sequence[Conversation], completions: Sequence[str]) -> list[float]:
    """Minus one for every hundred words."""
    return [-len(text.split()) / 100 for text in completions]


FUNCTIONS: dict[str, RewardFunction] = {"no_repetition": no_repetition, "brevity": brevity}
