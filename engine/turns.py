"""Engines that share memory take turns: one is awake, the others sleep.

Calls to several engines come in; each waits until its engine is awake. The turn goes on when the awake engine
has had nothing to do for a moment: rows that wait for another one pile up until then, so that a run of many
rows does all that it can with one model before the next one is loaded.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Protocol

from engine.protocol import Choice, Completion, Engine, Fingerprint, Reward, Sampling, Score
from prompts.message import Prompt

QUIET_S = 0.1
"""How long an engine has had nothing to do when its turn ends: an answered row may ask again at once."""


class Sleeper(Engine, Protocol):
    """An engine whose model can leave the memory and come back."""

    async def sleep(self) -> None: ...

    async def wake_up(self) -> None: ...


class Turns:
    """At most one of its engines is awake at a time."""

    def __init__(self, *, quiet_s: float = QUIET_S) -> None:
        self._quiet_s = quiet_s
        self._changed = asyncio.Condition()
        self._awake: Sleeper | None = None
        self._inside = 0
        self._entered = 0
        self._is_free = True
        self._offers: set[asyncio.Task[None]] = set()

    def join(self, engine: Sleeper) -> "TurnTaker":
        """The engine, awake now, as one that waits for its turn; the others must `rest` before it is made."""
        self._awake = engine
        return TurnTaker(engine, self)

    async def rest(self) -> None:
        """Let all sleep, so that there is room for another."""
        async with self._changed:
            await self._put_to_sleep()

    @asynccontextmanager
    async def turn(self, engine: Sleeper) -> AsyncIterator[None]:
        """Wait until the engine is awake and keep it so meanwhile."""
        async with self._changed:
            await self._changed.wait_for(lambda: self._awake is engine or self._is_free)
            if self._awake is not engine:
                await self._put_to_sleep()
                await engine.wake_up()
                self._awake = engine
                self._changed.notify_all()
            self._inside, self._entered, self._is_free = self._inside + 1, self._entered + 1, False
        try:
            yield
        finally:
            self._inside -= 1
            if self._inside == 0:
                offer = asyncio.create_task(self._offer(self._entered))
                self._offers.add(offer)
                offer.add_done_callback(self._offers.discard)

    async def _put_to_sleep(self) -> None:
        awake, self._awake = self._awake, None
        if awake is not None:
            await awake.sleep()

    async def _offer(self, entered: int) -> None:
        """Let the others have the turn, unless somebody has come in the meantime."""
        await asyncio.sleep(self._quiet_s)
        async with self._changed:
            if self._entered == entered:
                self._is_free = True
                self._changed.notify_all()


class TurnTaker:
    """An engine that waits for its turn before each answer."""

    def __init__(self, engine: Sleeper, turns: Turns) -> None:
        self._engine = engine
        self._turns = turns

    @property
    def fingerprint(self) -> Fingerprint:
        return self._engine.fingerprint

    async def chat(self, prompt: Prompt, sampling: Sampling, *, priority: int = 0) -> Completion:
        async with self._turns.turn(self._engine):
            return await self._engine.chat(prompt, sampling, priority=priority)

    async def choose(self, prompt: Prompt, labels: tuple[str, ...], *, priority: int = 0) -> Choice:
        async with self._turns.turn(self._engine):
            return await self._engine.choose(prompt, labels, priority=priority)

    async def score(self, prompt: Prompt, completion: str, *, priority: int = 0) -> Score:
        async with self._turns.turn(self._engine):
            return await self._engine.score(prompt, completion, priority=priority)

    async def reward(
        self, prompt: Prompt, completion: str, *, finished: bool = True, priority: int = 0
    ) -> Reward:
        async with self._turns.turn(self._engine):
            return await self._engine.reward(prompt, completion, finished=finished, priority=priority)

    async def close(self) -> None:
        await self._engine.close()
