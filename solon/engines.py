"""Opens the engines of a stage by role, one for roles with equal settings, and closes them again."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager

from engine.open import open_engine, open_vllm
from engine.protocol import Engine
from engine.settings import ModelSettings
from engine.turns import Turns

BATCHES = 4
"""Batches of calls that may wait for a model in this process, so that it can sort them by length."""


@asynccontextmanager
async def open_roles(
    roles: Mapping[str, ModelSettings], say: Callable[[str], None]
) -> AsyncIterator[dict[str, Engine]]:
    """Each role's engine, ready; raises `EngineUnavailable` as `open_engine` does."""
    opened: dict[ModelSettings, Engine] = {}
    turns = Turns()
    try:
        for role, settings in roles.items():
            if settings not in opened:
                adapter = f" + {settings.adapter}" if settings.adapter else ""
                say(f"loading {role}: {settings.model}{adapter}")
                opened[settings] = await _opened(settings, turns)
        yield {role: opened[settings] for role, settings in roles.items()}
    finally:
        for engine in opened.values():
            await engine.close()


async def _opened(settings: ModelSettings, turns: Turns) -> Engine:
    """The engine; one that takes turns sleeps whenever another one of its kind works."""
    if not (settings.engine == "vllm" and settings.takes_turns):
        return await open_engine(settings)
    await turns.rest()
    return turns.join(await open_vllm(settings))


def in_flight(settings: ModelSettings) -> int:
    """Calls that may be on their way to the model's engine at once."""
    if settings.engine == "openai":
        return settings.max_in_flight
    if settings.engine == "vllm":
        return 2 * settings.max_num_seqs
    return BATCHES * settings.max_batch_size
