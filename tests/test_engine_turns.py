"""Engines that take turns, through the public protocol: who is awake when, and how seldom that changes."""

import asyncio

import pytest

from engine.protocol import Completion, EngineUnavailable, Sampling
from engine.scripted import Answer, ScriptedEngine
from engine.turns import Turns
from prompts.message import Message, Prompt

GREEDY = Sampling(temperature=0.0)


def asked(text: str) -> Prompt:
    return Prompt("t", "h", messages=(Message("user", text),))


class Napping(ScriptedEngine):
    """Tells when it wakes up and falls asleep, and answers only when it is awake."""

    def __init__(self, name: str, diary: list[str], answer: Answer | list[str] | str = "ok") -> None:
        super().__init__(answer, name=name)
        self.diary = diary
        self.is_awake = True

    async def chat(self, prompt: Prompt, sampling: Sampling, *, priority: int = 0) -> Completion:
        assert self.is_awake
        await asyncio.sleep(0.001)
        assert self.is_awake, "it was put to sleep before it had answered"
        return await super().chat(prompt, sampling, priority=priority)

    async def sleep(self) -> None:
        self.is_awake = False
        self.diary.append(f"{self.name} sleeps")
        await asyncio.sleep(0.001)

    async def wake_up(self) -> None:
        await asyncio.sleep(0.001)
        self.diary.append(f"{self.name} wakes")
        self.is_awake = True


async def test_many_rows_over_two_engines_change_turns_a_few_times_only() -> None:
    diary: list[str] = []
    turns = Turns(quiet_s=0.02)
    assistant = turns.join(Napping("assistant", diary))
    await turns.rest()
    judge = turns.join(Napping("judge", diary))

    async def row(number: int) -> None:
        await assistant.chat(asked(f"{number}"), GREEDY)
        await judge.chat(asked(f"critique {number}"), GREEDY)
        await judge.chat(asked(f"revise {number}"), GREEDY)

    await asyncio.gather(*(row(number) for number in range(200)))
    assert diary == [
        *("assistant sleeps", "judge sleeps", "assistant wakes"),
        *("assistant sleeps", "judge wakes"),
    ]


async def test_one_engine_alone_never_sleeps() -> None:
    diary: list[str] = []
    engine = Turns(quiet_s=0.0).join(Napping("judge", diary))
    for number in range(3):
        await engine.chat(asked(f"{number}"), GREEDY)
        await asyncio.sleep(0.01)
    assert diary == []


async def test_a_call_that_fails_gives_the_turn_back() -> None:
    turns = Turns(quiet_s=0.0)
    first = turns.join(Napping("broken", [], lambda prompt, sampling: EngineUnavailable("gone")))
    await turns.rest()
    second = turns.join(Napping("other", []))
    with pytest.raises(EngineUnavailable, match="gone"):
        await first.chat(asked("x"), GREEDY)
    assert (await second.chat(asked("x"), GREEDY)).text == "ok"
