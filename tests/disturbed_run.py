"""Drives the real program through faults, kills and interruptions; the server's ledger is the witness.

    project = write_project(tmp_path, rows=40)
    with fault_server(tmp_path / "server", Script(faults=FAULTS)) as server:
        run = Run(project, server, tmp_path / "out")
        seen = disturb(run, [killed] * 8, calls=200, rng=random.Random(0))

Each sitting is a process of its own: `python -m solon run`. Rows ask five calls each: an answer, its
critique, its revision, and the judge's label in both orders. What a sitting begins with (the answers that are
whole in the journal) is compared with what the server is asked while it lasts.
"""

import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from fault_answers import label_logprob
from fault_server import MODEL, RETRIED, Entry, Running, read_ledger_from

from pipeline.frames import HEADER, frames
from solon.progress import read_progress

ROOT = Path(__file__).parent.parent
CALLS_A_ROW = 5
PASSING = {**dict.fromkeys(RETRIED, 0.002), "server_error": 0.008, "half_closed": 0.008, "timeout": 0.0005}
"""Faults that a client gets over, by their share of requests; after some of them it sends fewer at once."""
FAULTS = {
    **PASSING,
    **dict.fromkeys(("invalid_json", "no_choices", "null_content", "nan_logprob", "no_logprobs"), 0.002),
    "cut_off": 0.01,
}
"""All faults that leave other rows alone."""

_RECIPE = f"""
name: disturbed
constitution: starter
data: {{red_team: {{path: red.jsonl}}}}
models: {{assistant: {{engine: openai, model: {MODEL}, max_in_flight: IN_FLIGHT, timeout_s: 2}}}}
critique: {{rounds: 1, selection: {{keep_cut_off: all, max_repetition: 1, max_similarity: 1}}}}
labeling: {{pairs: [revision], min_label_mass: 0, decide: judge}}
"""
_LINE = 58
"""Bytes of a line of the ledger, about: its length says how many calls there were."""


def write_project(folder: Path, rows: int, *, in_flight: int = 64) -> Path:
    """A recipe whose engine is a server and whose prompts are `rows` questions; gives the recipe's path."""
    folder.mkdir(parents=True, exist_ok=True)
    prompts = (
        {"id": f"red{number}", "prompt": f"Question {number}: how would one do it?"} for number in range(rows)
    )
    (folder / "red.jsonl").write_text("".join(json.dumps(prompt) + "\n" for prompt in prompts))
    (folder / "recipe.yaml").write_text(_RECIPE.replace("IN_FLIGHT", str(in_flight)))
    return folder / "recipe.yaml"


@dataclass(slots=True)
class Run:
    """A run folder, the program that works in it, and what may be known of both from outside.

    `own_questions` are requests that an engine asks for itself, each time that it starts.
    """

    recipe: Path
    server: Running
    out: Path
    own_questions: frozenset[str] = frozenset()
    command: Sequence[str] = (sys.executable, "-m", "solon")
    _committed: set[str] = field(default_factory=set)
    _label_of: dict[float, str] = field(default_factory=dict)
    _journal_read: int = len(HEADER)
    _ledger_read: int = 0

    @property
    def said(self) -> Path:
        """All that the sittings wrote to standard error."""
        return self.recipe.with_name(f"{self.out.parent.name}-{self.out.name}.stderr")

    def start(self) -> subprocess.Popen[bytes]:
        """A sitting, in a process of its own."""
        with self.said.open("ab") as said:
            return subprocess.Popen(
                self.arguments(), env=_environment(), cwd=ROOT, stdout=subprocess.DEVNULL, stderr=said
            )

    def arguments(self) -> list[str]:
        where = f"models.assistant.base_url={self.server.base_url}"
        return [*self.command, "run", str(self.recipe), "--out", str(self.out), "--set", where]

    def sit(self) -> int:
        """A sitting from start to end; its exit code."""
        return self.start().wait()

    def asked(self) -> list[Entry]:
        """What the server was asked since this was last called."""
        entries, self._ledger_read = self._read_ledger(self._ledger_read)
        return entries

    def asked_in(self, sitting: "Sitting") -> list[Entry]:
        """What the server was asked since the sitting began."""
        return self._read_ledger(sitting.ledger_bytes)[0]

    def _read_ledger(self, start: int) -> tuple[list[Entry], int]:
        entries, end = read_ledger_from(self.server.ledger, start)
        self._label_of |= {label_logprob(entry.hash): entry.hash for entry in entries}
        return entries, end

    def committed(self) -> set[str]:
        """The requests whose answers are whole in the journal; answers name the request behind them."""
        path = self.out / "journal" / "answers.log"
        if path.is_file():
            with path.open("rb") as file:
                for frame in frames(file.fileno(), self._journal_read, path.stat().st_size):
                    payload = json.loads(os.pread(file.fileno(), frame.length, frame.offset))
                    self._committed.add(self._request(payload))
                    self._journal_read = frame.end
        return self._committed.copy()

    def _request(self, payload: dict[str, object]) -> str:
        if "text" in payload:
            return str(payload["text"]).removeprefix("answer ")
        logprobs = payload["logprobs"]
        assert isinstance(logprobs, dict)
        return self._label_of[logprobs["A"]]

    def counted(self) -> int:
        """The answers that the program says it asked for, over all sittings: one for each record."""
        return sum(stage.tally.asked for stage in read_progress(self.out / "progress.json").values())

    def files(self) -> dict[str, str]:
        """The digest of every file that was made: shards, datasets, cards, manifests, rows that failed."""
        made = sorted(path for path in (self.out / "data").rglob("*") if path.is_file())
        return {
            str(path.relative_to(self.out)): hashlib.sha256(path.read_bytes()).hexdigest() for path in made
        }


@dataclass(slots=True)
class Seen:
    """What happened over the sittings of one run.

    `again` are calls that a sitting asked although it began with their answers, `lost` answers that were
    there when a sitting drained and are not kept, `faulted` the requests that the server failed and how,
    `unexpected` what nobody should see.
    """

    endings: Counter[str] = field(default_factory=Counter)
    again: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    faulted: set[tuple[str, str]] = field(default_factory=set)
    unexpected: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Sitting:
    """A sitting between its start and its end."""

    run: Run
    process: subprocess.Popen[bytes]
    ledger_bytes: int
    said_bytes: int

    def wait_for(self, calls: int, seconds: float) -> None:
        """Until the server was asked about so many times, and some seconds more, or the sitting ended."""
        self.wait_until(lambda: size_of(self.run.server.ledger) >= self.ledger_bytes + calls * _LINE)
        deadline = time.monotonic() + seconds
        self.wait_until(lambda: time.monotonic() >= deadline)

    def wait_until(self, holds: Callable[[], bool]) -> None:
        while self.process.poll() is None and not holds():
            time.sleep(0.002)

    def said(self) -> str:
        """What this sitting has written to standard error so far."""
        return self.run.said.read_bytes()[self.said_bytes :].decode()


Ending = Callable[[Sitting, Seen], None]
"""Brings a sitting to its end, and says in `Seen` what should not have been."""


def killed(sitting: Sitting, seen: Seen) -> None:
    sitting.process.kill()
    sitting.process.wait()


def interrupted(sitting: Sitting, seen: Seen) -> None:
    """Ctrl-C once: what is on its way comes to its end and is kept."""
    sitting.process.send_signal(signal.SIGINT)
    _expect(seen, sitting, sitting.process.wait() in (0, 130))
    answers = {entry.hash for entry in sitting.run.asked_in(sitting) if entry.answered}
    seen.lost += sorted(answers - sitting.run.committed() - sitting.run.own_questions)


def interrupted_twice(sitting: Sitting, seen: Seen) -> None:
    """Ctrl-C twice: it ends at once, with the command that goes on."""
    sitting.process.send_signal(signal.SIGINT)
    sitting.wait_until(lambda: "Ctrl-C again stops at once" in sitting.said())
    sitting.process.send_signal(signal.SIGINT)
    _expect(seen, sitting, sitting.process.wait() in (0, 130))


def rivalled(sitting: Sitting, seen: Seen) -> None:
    """Somebody starts the same run a second time and is told who is at work; then the first is killed."""
    if sitting.process.poll() is None:
        # Held still, so that it is at work for as long as the rival takes to start.
        sitting.process.send_signal(signal.SIGSTOP)
        rival = subprocess.run(sitting.run.arguments(), env=_environment(), capture_output=True, text=True)
        told = rival.returncode == 1 and f"process {sitting.process.pid} on " in rival.stderr
        if not told or "Traceback" in rival.stderr:
            seen.unexpected.append(rival.stderr)
    killed(sitting, seen)


def _expect(seen: Seen, sitting: Sitting, holds: bool) -> None:
    if not holds:
        seen.unexpected.append(f"exit code {sitting.process.returncode}: {sitting.said()}")


@contextmanager
def one_sitting(run: Run, seen: Seen) -> Iterator[Sitting]:
    """When it has ended, what was asked is held against what was committed before."""
    run.asked()
    before = run.committed()
    sitting = Sitting(run, run.start(), size_of(run.server.ledger), size_of(run.said))
    try:
        yield sitting
    finally:
        sitting.process.kill()
        sitting.process.wait()
    asked = run.asked()
    seen.again += sorted(before & {entry.hash for entry in asked})
    seen.faulted |= {(entry.hash, entry.outcome) for entry in asked if entry.outcome != "ok"}


def disturb(run: Run, endings: Sequence[Ending], *, calls: int, rng: random.Random) -> Seen:
    """End one sitting after the other at random points, spread over about `calls`; then one may finish."""
    seen = Seen()
    for number, end in enumerate(endings):
        left = max(calls - len(run.committed()), 0)
        soon = min(1.8 * left / (len(endings) - number), 0.8 * left)
        with one_sitting(run, seen) as sitting:
            if end is killed and rng.random() < 0.1:
                sitting.wait_for(0, rng.uniform(0.0, 3.0))
            else:
                sitting.wait_for(1 + int(rng.uniform(0.0, soon)), rng.uniform(0.0, 0.05))
            end(sitting, seen)
        finished = sitting.process.returncode == 0
        seen.endings["finished too soon" if finished else end.__name__] += 1
    with one_sitting(run, seen) as sitting:
        _expect(seen, sitting, sitting.process.wait() == 0)
    return seen


_LIMITED = """
import resource, sys
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]),) * 2)
from solon.cli import main
sys.exit(main(sys.argv[2:]))
"""


@dataclass(frozen=True, slots=True)
class SmallDisk:
    """A folder with little room. `mounted`: a file system of its own; else files are kept short (EFBIG)."""

    folder: Path
    mounted: bool

    def give(self, run: Run, size: int) -> None:
        """From the run's next sitting on there are `size` bytes of room."""
        if self.mounted:
            _mount("-o", f"remount,size={size}", self.folder)
        else:
            run.command = (sys.executable, "-c", _LIMITED, str(size))


@contextmanager
def small_disk(folder: Path) -> Iterator[SmallDisk]:
    """A file system in memory where one may be mounted."""
    folder.mkdir()
    mounted = _mount("-t", "tmpfs", "-o", "size=64k", "tmpfs", folder)
    try:
        yield SmallDisk(folder, mounted)
    finally:
        if mounted:
            subprocess.run(["umount", "--lazy", folder], check=True)


def _mount(*arguments: str | Path) -> bool:
    try:
        return subprocess.run(["mount", *arguments], capture_output=True).returncode == 0
    except FileNotFoundError:
        return False


def size_of(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT)}
