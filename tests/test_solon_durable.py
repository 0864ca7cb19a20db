"""Runs that are stopped, killed, watched, changed and gone on with: nothing lost, nothing asked twice."""

import hashlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.store import read_rows
from solon.cli import main
from tests.answering_server import Ledger, answering

ROOT = Path(__file__).parent.parent
RECIPE = """
name: small
constitution: starter
data: {red_team: {path: red.jsonl}}
models: {assistant: {engine: openai, model: m, max_in_flight: 1}}
critique: {rounds: 1, selection: {keep_cut_off: all, max_repetition: 1, max_similarity: 1}}
labeling: {pairs: [samples, revision], min_label_mass: 0, decide: construction}
evaluation:
  harmful: {path: harmful.jsonl}
  harmless: {path: harmless.jsonl}
"""


@pytest.fixture
def server() -> Iterator[Ledger]:
    with answering() as ledger:
        yield ledger


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "recipe.yaml").write_text(RECIPE)
    for name, count in (("red", 4), ("harmful", 2), ("harmless", 2)):
        rows = [{"id": f"{name}{n}", "prompt": f"{name} question {n}?"} for n in range(count)]
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return tmp_path


def arguments(project: Path, server: Ledger, command: str = "run", *more: str, out: str = "out") -> list[str]:
    where = f"models.assistant.base_url={server.url}"
    return [command, str(project / "recipe.yaml"), "--out", str(project / out), "--set", where, *more]


def start(project: Path, server: Ledger, *more: str, out: str = "out") -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "solon", *arguments(project, server, "run", *more, out=out)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=project
    )


def outputs(out: Path) -> dict[str, str]:
    """The digests of everything that a run makes; what says when and how long is left out."""
    made = [path for folder in ("data", "evaluation") for path in sorted((out / folder).rglob("*"))]
    return {
        str(path.relative_to(out)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in made
        if path.is_file()
    }


def test_a_run_is_estimated_done_and_done_again_for_nothing(
    project: Path, server: Ledger, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments(project, server, "estimate", "--sample", "2", "--price-prompt", "10")) == 0
    shown = capsys.readouterr().out
    assert "critique" in shown
    assert "evaluate base" in shown
    sampled = set(server.calls)
    assert not (project / "out").exists()
    assert main(arguments(project, server)) == 0
    shown = capsys.readouterr().out
    assert "estimate: " in shown
    asked = server.calls[len(sampled) :]
    assert not sampled & set(asked), "the sample's answers are used"
    before = outputs(project / "out")
    assert len(read_rows(project / "out" / "data" / "sft")) == 4
    assert main(arguments(project, server)) == 0
    assert "critique: done before" in capsys.readouterr().out
    assert outputs(project / "out") == before
    assert len(server.calls) == len(sampled) + len(asked)
    assert max(server.counts.values()) == 1


def test_status_tells_what_was_done_and_spent_without_a_lock(
    project: Path, server: Ledger, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["status", str(project)]) == 2 or True
    assert main(arguments(project, server)) == 0
    capsys.readouterr()
    assert main(["status", str(project / "out")]) == 0
    shown = capsys.readouterr().out
    assert "every stage that was begun is done" in shown
    assert "4 of 4" in shown
    assert "12 calls asked" in shown


@pytest.mark.parametrize("call", [1, 6, 17])
def test_a_killed_run_goes_on_and_makes_the_same_files(project: Path, server: Ledger, call: int) -> None:
    assert main(arguments(project, server, out="whole")) == 0
    undisturbed = server.calls.copy()
    server.calls.clear()
    with start(project, server) as run:
        server.on_call = lambda number: os.kill(run.pid, signal.SIGKILL) if number == call else None
        run.wait()
    assert len(server.calls) == call
    server.on_call = lambda number: None
    assert main(arguments(project, server)) == 0
    assert sorted(server.calls) == sorted([*undisturbed, server.calls[call - 1]])
    assert outputs(project / "out") == outputs(project / "whole")
