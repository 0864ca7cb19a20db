"""SIGKILL, again and again: no committed call is repeated, and the files are those of an undisturbed run."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pipeline.journal import read_payloads
from tests.killed_rows import ROUNDS

ROOT = Path(__file__).parent.parent


def process(folder: Path, rows: int, *, in_flight: int, kill_at: int = 0) -> subprocess.Popen[bytes]:
    folder.mkdir(exist_ok=True)
    command = [sys.executable, "tests/killed_rows.py", str(folder), str(rows), str(in_flight), str(kill_at)]
    return subprocess.Popen(command, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)})


def sitting(folder: Path, rows: int, *, in_flight: int = 1, kill_at: int = 0) -> int:
    """One sitting of the work; its exit code."""
    return process(folder, rows, in_flight=in_flight, kill_at=kill_at).wait()


def committed(folder: Path) -> set[str]:
    """The calls whose answers are whole in the journal."""
    path = folder / "journal"
    payloads = read_payloads(path) if path.exists() else iter(())
    return {str(payload["text"]).removeprefix("answer to ") for payload in payloads}


def ledger(folder: Path) -> list[str]:
    path = folder / "ledger"
    return path.read_text().splitlines() if path.exists() else []


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted((folder / "out").iterdir())}


def test_killed_at_every_commit_boundary_in_turn(tmp_path: Path) -> None:
    rows, killed = 2, tmp_path / "killed"
    assert sitting(tmp_path / "whole", rows) == 0
    for boundary in range(rows * ROUNDS):
        before, seen = committed(killed), len(ledger(killed))
        # Everything before is found, one more call is answered and committed, the next one is cut off.
        assert sitting(killed, rows, kill_at=2 if boundary else 1) == -signal.SIGKILL
        assert not before & set(ledger(killed)[seen:]), "a committed call was asked again"
        assert len(committed(killed)) == boundary
    assert sitting(killed, rows) == 0
    assert files(killed) == files(tmp_path / "whole")
    wasted = len(ledger(killed)) - rows * ROUNDS
    assert wasted == rows * ROUNDS, "one call in flight for each kill"


@pytest.mark.soak
def test_killed_at_random_points_with_many_calls_in_flight(tmp_path: Path) -> None:
    rows, in_flight, kills, killed = 10_000, 64, 200, tmp_path / "killed"
    assert sitting(tmp_path / "whole", rows, in_flight=in_flight) == 0
    rng = random.Random(0)
    for _ in range(kills):
        before, seen = committed(killed), len(ledger(killed))
        running = process(killed, rows, in_flight=in_flight)
        while len(ledger(killed)) == seen and running.poll() is None:
            time.sleep(0.01)
        time.sleep(rng.random() * 0.03)
        running.send_signal(signal.SIGKILL)
        running.wait()
        assert not before & set(ledger(killed)[seen:]), "a committed call was asked again"
    assert sitting(killed, rows, in_flight=in_flight) == 0
    assert files(killed) == files(tmp_path / "whole")
    wasted = len(ledger(killed)) - rows * ROUNDS
    print(f"bar: calls-wasted-by-{kills}-kills {wasted} <={kills * in_flight} ok")
    assert wasted <= kills * in_flight
