"""Judges for tests of online methods: scripted engines in an event loop of another thread."""

import asyncio
import math
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from engine.scripted import ScriptedEngine
from labeling.trust import Believing
from pipeline.context import Context
from pipeline.gate import Stop
from pipeline.journal import Journal
from prompts.message import Prompt
from tests.labeling_fixtures import asked, judge
from training.judge import OnlineJudge


@contextmanager
def judging(
    engine: ScriptedEngine, folder: Path, *, stop: Stop | None = None, **settings: Any
) -> Iterator[OnlineJudge]:
    """The engine in every judge's role, by a journal in the folder, as `solon train` has it."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    folder.mkdir(parents=True, exist_ok=True)
    way = judge(**settings)
    try:
        with Journal(folder / "journal.log") as journal:
            roles = dict.fromkeys(way.settings.judges, engine)
            context = Context(roles, journal, seed=1, stop=stop or Stop())
            yield OnlineJudge(way, context, loop, Believing(way.settings))
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


def prefers_large(prompt: Prompt, _labels: tuple[str, ...]) -> dict[str, float]:
    """Whichever response has the larger sum of letters, by some measure, however it is called."""
    shown = re.findall(r"<response (\S+)>\n(.*?)\n</response \1>", asked(prompt), re.DOTALL)
    first, second = (sum(map(ord, text)) % 101 for _, text in shown)
    ahead = 1 / (1 + math.exp((second - first) / 50))
    return {"A": 0.9 * ahead, "B": 0.9 * (1 - ahead)}
