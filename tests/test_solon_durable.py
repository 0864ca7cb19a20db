"""Runs that are stopped, killed, watched, changed and gone on with: nothing lost, nothing asked twice."""

import hashlib
import io
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from pipeline.gate import Stop, StoppedError
from pipeline.store import read_rows
from solon.cli import main
from solon.console import PlainReporter, StageProgress
from solon.loaded_recipe import load_recipe
from solon.run import run
from solon.run_folder import open_run_folder
from solon.status import status
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


SERVERS_ONLY = """
import sys
from solon.cli import main
code = main(sys.argv[1:])
heavy = {"torch", "transformers", "trl", "peft", "datasets", "matplotlib"} & sys.modules.keys()
sys.exit(f"imported {heavy}" if heavy else code)
"""


def test_a_run_whose_models_are_behind_servers_imports_no_models(project: Path, server: Ledger) -> None:
    command = [sys.executable, "-c", SERVERS_ONLY, *arguments(project, server, "critique")]
    done = subprocess.run(
        command,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        cwd=project,
    )
    assert done.returncode == 0, done.stderr


def test_status_tells_what_was_done_and_spent_without_a_lock(
    project: Path, server: Ledger, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["status", str(project / "out")]) == 2
    assert "holds no run" in capsys.readouterr().err
    assert main(arguments(project, server)) == 0
    capsys.readouterr()
    assert main(["status", str(project / "out")]) == 0
    shown = capsys.readouterr().out
    assert "every stage that was begun is done" in shown
    assert "4 of 4" in shown
    assert "12 calls asked" in shown


@pytest.mark.parametrize("call", [6, 17])
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


def ended(run: subprocess.Popen[str]) -> tuple[int, str]:
    """The exit code and what was said on standard error."""
    _, said = run.communicate()
    return run.returncode, said


def test_ctrl_c_lets_calls_come_to_their_end_and_tells_how_to_go_on(project: Path, server: Ledger) -> None:
    run = start(project, server, "--set", "models.assistant.max_in_flight=3")
    server.delay_s = 0.2
    server.on_call = lambda number: run.send_signal(signal.SIGINT) if number == 3 else None
    code, said = ended(run)
    assert code == 130
    assert f"solon run {project}/recipe.yaml" in said
    assert "Traceback" not in said
    server.delay_s, server.on_call = 0.0, lambda number: None
    assert main(arguments(project, server)) == 0
    assert max(server.counts.values()) == 1, "what was on its way was kept"


def test_ctrl_c_twice_stops_at_once_and_costs_only_what_was_on_its_way(project: Path, server: Ledger) -> None:
    run = start(project, server)
    server.delay_s = 600.0
    server.on_call = lambda number: run.send_signal(signal.SIGINT)
    with run:
        assert run.stderr is not None
        while "comes to its end" not in run.stderr.readline():
            assert run.poll() is None
        run.send_signal(signal.SIGINT)
        said = run.stderr.read()
    assert run.returncode == 130
    assert "stopped at once" in said
    assert "Traceback" not in said
    server.delay_s, server.on_call = 0.0, lambda number: None
    assert main(arguments(project, server)) == 0
    assert sum(count - 1 for count in server.counts.values()) <= 1


def test_a_second_run_in_the_folder_is_told_who_is_at_work(
    project: Path, server: Ledger, capsys: pytest.CaptureFixture[str]
) -> None:
    server.delay_s = 600.0
    with start(project, server) as run:
        while not server.calls:
            assert run.poll() is None
            time.sleep(0.05)
        assert main(arguments(project, server)) == 1
        assert f"process {run.pid} on " in capsys.readouterr().err
        assert main(["status", str(project / "out")]) == 0
        shown = capsys.readouterr().out
        assert f"running: process {run.pid}" in shown
        assert "critique" in shown
        run.kill()
    assert main(["status", str(project / "out")]) == 0
    assert "stopped: the command that began it goes on" in capsys.readouterr().out


def test_a_change_is_refused_and_with_consent_only_what_it_touches_is_made_again(
    project: Path, server: Ledger, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments(project, server)) == 0
    before, asked = outputs(project / "out"), len(server.calls)
    change = ("--set", "evaluation.max_tokens=7")
    assert main(arguments(project, server, "run", *change)) == 2
    said = capsys.readouterr().err
    assert "+  max_tokens: 7" in said
    assert "--accept-changes" in said
    assert outputs(project / "out") == before
    assert main(arguments(project, server, "run", *change, "--accept-changes")) == 0
    shown = capsys.readouterr().out
    assert "critique: done before" in shown
    assert "label: done before" in shown
    assert len(server.calls) == asked + 4
    after = outputs(project / "out")
    assert {name for name in before if before[name] != after[name]} == {
        "evaluation/base/part-00000.parquet",
        "evaluation/base/shards.json",
    }


def test_a_change_of_the_data_asks_only_for_the_new_rows(project: Path, server: Ledger) -> None:
    assert main(arguments(project, server)) == 0
    asked = len(server.calls)
    with (project / "red.jsonl").open("a") as file:
        file.write(json.dumps({"id": "new", "prompt": "Another?"}) + "\n")
    assert main(arguments(project, server, "run", "--accept-changes")) == 0
    # Answer, critique, revision; a second sample (the first is that answer); two pairs in both orders.
    assert len(server.calls) - asked == 3 + 1 + 4
    assert max(server.counts.values()) == 1


def write_training_recipe(project: Path, model: Path) -> None:
    sizes = "{max_tokens: 6}"
    (project / "recipe.yaml").write_text(
        "name: small\nconstitution: starter\ndata: {red_team: {path: red.jsonl}}\n"
        f"models: {{assistant: {{model: {model}, dtype: float32, device: cpu}}}}\n"
        f"critique: {{respond: {sizes}, critique: {sizes}, revise: {sizes}, selection: {{keep_cut_off: all, "
        "max_repetition: 1, max_similarity: 1}}\n"
        "training: {sft: {epochs: 1, dtype: float32, max_length: 128}}\n"
    )


class Impatient(PlainReporter):
    """Asks for a stop at the first step of the training."""

    def __init__(self, stop: Stop) -> None:
        super().__init__(io.StringIO())
        self.stop = stop

    @contextmanager
    def stage(self, name: str, *, total: int | None = None) -> Iterator[StageProgress]:
        with super().stage(name, total=total) as bar:
            if name == "sft":
                self.stop.ask()
            yield bar


def test_a_stop_in_training_ends_it_after_the_step_and_the_next_run_trains_anew(
    project: Path, tiny_model: Path
) -> None:
    write_training_recipe(project, tiny_model)
    loaded, stop = load_recipe(project / "recipe.yaml"), Stop()
    folder = open_run_folder(project / "out", loaded)
    with pytest.raises(StoppedError, match="stopped after step"):
        run(loaded, folder, None, Impatient(stop), stop=stop)
    assert not folder.model("sft").exists()
    assert "sft              stopped" in status(folder.path)
    run(loaded, folder, None, PlainReporter(io.StringIO()))
    assert (folder.model("sft") / "README.md").is_file()
    assert not folder.earlier_models.exists()


def test_a_trained_model_whose_inputs_changed_is_kept_beside_the_new_one(
    project: Path, tiny_model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_training_recipe(project, tiny_model)
    command = ["run", str(project / "recipe.yaml"), "--out", str(project / "out")]
    assert main(command) == 0
    first = (project / "out" / "models" / "sft" / "README.md").read_bytes()
    capsys.readouterr()
    assert main([*command, "--set", "training.sft.learning_rate=1e-5", "--accept-changes"]) == 0
    shown = capsys.readouterr().out
    assert "critique: done before" in shown
    kept = project / "out" / "models" / "earlier" / "sft-1"
    assert (kept / "README.md").read_bytes() == first
    assert (project / "out" / "models" / "sft" / "README.md").read_bytes() != first
    assert not list((project / "out" / "models").glob("*.partial"))


FULL_DISK = """
import resource, sys
import solon.run, solon.interrupt, pyarrow.parquet
from solon.cli import main
resource.setrlimit(resource.RLIMIT_FSIZE, (3000, 3000))
sys.exit(main(sys.argv[1:]))
"""


def test_a_full_disk_ends_the_run_with_a_text_and_it_goes_on_later(project: Path, server: Ledger) -> None:
    command = [sys.executable, "-c", FULL_DISK, *arguments(project, server)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    filled = subprocess.run(command, env=environment, capture_output=True, text=True, cwd=project)
    assert filled.returncode == 1
    assert "free some space and run again" in filled.stderr
    assert "Traceback" not in filled.stderr
    asked = len(server.calls)
    assert main(arguments(project, server)) == 0
    assert sum(count - 1 for count in server.counts.values()) <= 1, "at most the one that found no room"
    assert len(server.calls) > asked
