"""A million short rows against an instant engine: is memory bounded and flat, and is resuming quick?

    python benchmarks/journal.py                 a million rows
    python benchmarks/journal.py --rows 100000

Each row asks one call; rows come from a generator, answers go to the journal, records to Parquet shards, as
in any stage. The work runs in a process of its own, then once more over what is finished. Prints what it saw
and the bars: `bar: WHAT VALUE TARGET ok|short`. Flat means that the last nine tenths of the rows add little
to what the first tenth took: sixteen bytes a key for the journal and sixteen a row for telling ids apart.
"""

import argparse
import asyncio
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from engine.protocol import Completion, Fingerprint, Sampling
from engine.scripted import ScriptedEngine
from pipeline.context import Context, RowContext
from pipeline.journal import Journal
from pipeline.runner import run_rows
from pipeline.shards import Shards
from prompts.message import Message, Prompt

ROOT = Path(__file__).resolve().parent.parent
PEAK_MB, GROWTH_MB, RESUME_S = 500, 100, 30


@dataclass(frozen=True, slots=True)
class Item:
    id: str


@dataclass(frozen=True, slots=True)
class Told:
    id: str
    text: str


class Instant(ScriptedEngine):
    """Answers at once, and unlike the scripted engine remembers nothing of it."""

    @property
    def fingerprint(self) -> Fingerprint:
        return Fingerprint("instant")

    async def chat(self, prompt: Prompt, sampling: Sampling, *, priority: int = 0) -> Completion:  # noqa: ARG002
        return Completion(f"{prompt.messages[0].content} is answered", "stop", 8, 4)


async def program(item: Item, context: RowContext) -> Told:
    prompt = Prompt("respond", "hash", messages=(Message("user", f"Question {item.id}"),))
    return Told(item.id, (await context.chat("judge", prompt, Sampling())).text)


async def work(folder: Path, rows: int) -> dict[str, float]:
    """One sitting; memory in MB after the first tenth and at the peak, and seconds."""
    started, first_tenth = time.monotonic(), 0.0
    with (
        Journal(folder / "answers.log") as journal,
        closing(Shards(folder / "out", Told, made_by="x")) as shards,
    ):
        opened = time.monotonic() - started
        begun = shards.rows
        context = Context({"judge": Instant()}, journal, 0)
        async for outcome in run_rows(program, items(begun, rows), context):
            shards.add(outcome.row_id, [outcome.record] if outcome.record else [])
            if context.tally.asked >= rows // 10 and not first_tenth:
                first_tenth = memory_mb()
        shards.finish()
    return {
        "rows": rows - begun,
        "seconds": time.monotonic() - started,
        "opened": opened,
        "cpu": time.process_time(),
        "first_tenth_mb": first_tenth,
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def items(start: int, stop: int) -> Iterator[Item]:
    for number in range(start, stop):
        yield Item(f"row-{number}")


def memory_mb() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def sitting(folder: Path, rows: int) -> dict[str, float]:
    command = [sys.executable, __file__, "--rows", str(rows), "--in", str(folder)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True, text=True)
    return json.loads(done.stdout)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--in", dest="folder", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.folder is not None:
        print(json.dumps(asyncio.run(work(given.folder, given.rows))))
        return 0
    with tempfile.TemporaryDirectory() as folder:
        whole = sitting(Path(folder), given.rows)
        again = sitting(Path(folder), given.rows)
    cpu = 1e6 * whole["cpu"] / given.rows
    print(
        f"{given.rows} rows in {whole['seconds']:.0f} s ({cpu:.0f} µs of CPU each); "
        f"{whole['first_tenth_mb']:.0f} MB after the first tenth, {whole['peak_mb']:.0f} MB at the peak; "
        f"resumed when finished in {again['seconds']:.1f} s, {again['opened']:.1f} s of them for the journal"
    )
    growth = whole["peak_mb"] - whole["first_tenth_mb"]
    print(bar("peak-memory-mb", whole["peak_mb"], PEAK_MB))
    print(bar("memory-growth-after-first-tenth-mb", growth, GROWTH_MB))
    print(bar("resume-finished-s", again["seconds"], RESUME_S))
    return 0


def bar(what: str, value: float, most: float) -> str:
    return f"bar: {what} {value:.1f} <={most} {'ok' if value <= most else 'short'}"


if __name__ == "__main__":
    raise SystemExit(main())
