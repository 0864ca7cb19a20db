"""A small piece of work that may be killed: rows through the runner into shards, with a ledger of its own.

    python tests/killed_rows.py FOLDER ROWS IN_FLIGHT KILL_AT

Each row asks three dependent calls. Every call is written into `FOLDER/ledger` before it is answered, and at
call number KILL_AT of this sitting (0: never) the process kills itself with SIGKILL, which is the boundary
behind the commit of the calls before. `tests/test_pipeline_killed.py` drives it.
"""

import asyncio
import os
import signal
import sys
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from engine.protocol import Completion, Sampling
from engine.scripted import ScriptedEngine
from pipeline.context import Context, RowContext
from pipeline.journal import Journal
from pipeline.runner import run_rows
from pipeline.shards import Shards
from prompts.message import Message, Prompt

ROUNDS = 3
SHARD_ROWS = 4


@dataclass(frozen=True)
class Item:
    id: str


@dataclass(frozen=True)
class Told:
    id: str
    texts: tuple[str, ...]


class Mortal(ScriptedEngine):
    """Answers with a function of the question, and dies at a call."""

    def __init__(self, folder: Path, kill_at: int) -> None:
        super().__init__()
        self._ledger = os.open(folder / "ledger", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        self._left = kill_at

    async def chat(self, prompt: Prompt, sampling: Sampling, *, priority: int = 0) -> Completion:
        asked = prompt.messages[0].content
        os.write(self._ledger, f"{asked}\n".encode())
        self._left -= 1
        if self._left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        # Calls end in another order than they began; how long each takes is a matter of its question.
        for _ in range(sum(asked.encode()) % 4):
            await asyncio.sleep(0)
        return Completion(f"answer to {asked}", "stop", len(asked), 3)


async def program(item: Item, context: RowContext) -> Told:
    texts: list[str] = []
    for number in range(ROUNDS):
        prompt = Prompt("respond", "hash", messages=(Message("user", f"{item.id} {number}"),))
        texts.append((await context.chat("judge", prompt, Sampling(temperature=0.0))).text)
    return Told(item.id, tuple(texts))


async def work(folder: Path, rows: int, *, in_flight: int, kill_at: int) -> None:
    engine = Mortal(folder, kill_at)
    with (
        Journal(folder / "journal") as journal,
        closing(Shards(folder / "out", Told, made_by="x", shard_rows=SHARD_ROWS)) as shards,
    ):
        context = Context({"judge": engine}, journal, 0, in_flight={"judge": in_flight})
        left = (Item(f"r{number}") for number in range(shards.rows, rows))
        async for outcome in run_rows(program, left, context, open_rows=2 * in_flight):
            shards.add(outcome.row_id, [outcome.record] if outcome.record else [])
        shards.finish()


if __name__ == "__main__":
    place, (rows, in_flight, kill_at) = Path(sys.argv[1]), map(int, sys.argv[2:5])
    asyncio.run(work(place, rows, in_flight=in_flight, kill_at=kill_at))
