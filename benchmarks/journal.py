"""A million short rows against an instant engine: is memory bounded and flat, and is resuming quick?

    python benchmarks/journal.py                 a million rows, then a hundred thousand to label
    python benchmarks/journal.py --rows 100000

Each row asks one call; rows come from a generator, answers go to the journal, records to Parquet shards, as
in any stage. The work runs in a process of its own, then once more over what is finished. A tenth as many
stored trajectories are then drawn, paired and judged in both orders, as `solon label` does. Prints what it
saw and the bars: `bar: WHAT VALUE TARGET ok|short`. Flat means that the last nine tenths of the rows add
little to what the first tenth took: sixteen bytes a key for the journal and sixteen a row for telling ids
apart.
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
from collections.abc import Callable, Coroutine, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from constitution.load import load
from critique.model import Request, Round, Text, Trajectory
from engine.protocol import Choice, Completion, Fingerprint, Sampling
from engine.scripted import ScriptedEngine
from labeling.draw import Candidate, Drawn
from labeling.judge import Judge
from labeling.model import Labelled
from labeling.pairs import Labeler
from labeling.settings import LabelingSettings
from pipeline.context import Context, RowContext
from pipeline.journal import Journal
from pipeline.runner import run_rows
from pipeline.shards import Shards
from pipeline.store import StoredRecords, write_records
from prompts.message import Message, Prompt
from prompts.render import Prompts

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
    """Answers and judges at once, and unlike the scripted engine remembers nothing of it."""

    @property
    def fingerprint(self) -> Fingerprint:
        return Fingerprint("instant")

    async def chat(self, prompt: Prompt, sampling: Sampling, *, priority: int = 0) -> Completion:  # noqa: ARG002
        return Completion(f"{prompt.messages[0].content} is answered", "stop", 8, 4)

    async def choose(self, prompt: Prompt, labels: tuple[str, ...], *, priority: int = 0) -> Choice:  # noqa: ARG002
        return Choice(dict(zip(labels, (-0.5, -1.0), strict=True)), mass=0.9, argmax_is_label=True)


async def program(item: Item, context: RowContext) -> Told:
    prompt = Prompt("respond", "hash", messages=(Message("user", f"Question {item.id}"),))
    return Told(item.id, (await context.chat("judge", prompt, Sampling())).text)


async def ask(folder: Path, rows: int) -> dict[str, float]:
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
    return {**figures(started, rows - begun, first_tenth), "opened": opened}


def figures(started: float, rows: int, first_tenth_mb: float) -> dict[str, float]:
    return {
        "rows": rows,
        "seconds": time.monotonic() - started,
        "cpu": time.process_time(),
        "first_tenth_mb": first_tenth_mb,
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


async def label(folder: Path, rows: int) -> dict[str, float]:
    """The same of judging: trajectories out of a folder of shards, a limit on pairs, two calls a row."""
    settings = LabelingSettings(pairs=("revision",), limits={"revision": rows - rows // 10})
    write_records(folder / "trajectories", trajectories(rows), Trajectory)
    started, first_tenth = time.monotonic(), 0.0
    stored = StoredRecords(folder / "trajectories", Trajectory)
    drawn = Drawn(Candidates(stored), settings, seed=0)
    labeler = Labeler(Judge(load("harmless"), Prompts(), settings))
    with (
        Journal(folder / "labels.log") as journal,
        closing(Shards(folder / "labels", Labelled, made_by="x")) as shards,
    ):
        context = Context({"judge": Instant()}, journal, 0)
        async for outcome in run_rows(labeler, drawn, context):
            shards.add(outcome.row_id, outcome.record or ())
            if context.tally.asked >= 2 * rows // 10 and not first_tenth:
                first_tenth = memory_mb()
        shards.finish()
    return figures(started, len(drawn), first_tenth)


@dataclass(frozen=True, slots=True)
class Candidates:
    stored: StoredRecords[Trajectory]

    def __iter__(self) -> Iterator[Candidate]:
        return (Candidate(trajectory, trajectory.last) for trajectory in self.stored)


def trajectories(rows: int) -> Iterator[Trajectory]:
    for number in range(rows):
        request = Request(f"row-{number}", "red_team", (Message("user", f"Question {number}?"),))
        first, better = Text(f"Answer {number}.", False, 4), Text(f"A better answer to {number}.", False, 6)
        yield Trajectory(request, first, (Round("p", None, better),))


def items(start: int, stop: int) -> Iterator[Item]:
    for number in range(start, stop):
        yield Item(f"row-{number}")


def memory_mb() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


WORK: dict[str, Callable[[Path, int], Coroutine[object, object, dict[str, float]]]] = {
    "ask": ask,
    "label": label,
}


def sitting(folder: Path, rows: int, work: str = "ask") -> dict[str, float]:
    command = [sys.executable, __file__, "--rows", str(rows), "--in", str(folder), "--work", work]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True, text=True)
    return json.loads(done.stdout)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--in", dest="folder", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--work", choices=sorted(WORK), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.folder is not None:
        print(json.dumps(asyncio.run(WORK[given.work](given.folder, given.rows))))
        return 0
    with tempfile.TemporaryDirectory() as folder:
        whole = sitting(Path(folder), given.rows)
        again = sitting(Path(folder), given.rows)
        labels = sitting(Path(folder), given.rows // 10, "label")
    cpu = 1e6 * whole["cpu"] / given.rows
    print(
        f"{given.rows} rows in {whole['seconds']:.0f} s ({cpu:.0f} µs of CPU each); "
        f"{whole['first_tenth_mb']:.0f} MB after the first tenth, {whole['peak_mb']:.0f} MB at the peak; "
        f"resumed when finished in {again['seconds']:.1f} s, {again['opened']:.1f} s of them for the journal"
    )
    print(
        f"{labels['rows']:.0f} rows labelled in {labels['seconds']:.0f} s; {labels['first_tenth_mb']:.0f} MB "
        f"after the first tenth, {labels['peak_mb']:.0f} MB at the peak"
    )
    growth = whole["peak_mb"] - whole["first_tenth_mb"]
    print(bar("peak-memory-mb", whole["peak_mb"], PEAK_MB))
    print(bar("memory-growth-after-first-tenth-mb", growth, GROWTH_MB))
    print(bar("resume-finished-s", again["seconds"], RESUME_S))
    print(bar("label-peak-memory-mb", labels["peak_mb"], PEAK_MB))
    growth = labels["peak_mb"] - labels["first_tenth_mb"]
    print(bar("label-memory-growth-after-first-tenth-mb", growth, GROWTH_MB))
    return 0


def bar(what: str, value: float, most: float) -> str:
    return f"bar: {what} {value:.1f} <={most} {'ok' if value <= most else 'short'}"


if __name__ == "__main__":
    raise SystemExit(main())
