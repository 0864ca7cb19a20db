"""A server that `solon serve` started, with real vLLM: asked, compared with engines in process, and ended."""

import json
import os
import shutil
import signal
import time
from contextlib import suppress
from pathlib import Path

import pytest

from engine.hf import TransformersEngine
from engine.openai import OpenAIEngine
from engine.protocol import Engine, EngineUnavailable, Sampling
from pipeline.context import Context
from pipeline.journal import Journal
from prompts.message import Message, Prompt
from solon.cli import main
from tests.test_engine_vllm_process import wait_until_gone
from tests.vllm_engines import SMALL, needs_vllm, settings, started

pytestmark = needs_vllm
GREEDY = Sampling(max_tokens=12, temperature=0.0)
QUESTION = Message("user", "Which is better for a small flat?\n(A) a cat\n(B) a horse")
CHOICE = Prompt("t", "h", messages=(QUESTION, Message("assistant", "The better one is (")))
TOLERANCE = 2e-3
RECIPE = """
name: small
constitution: starter
data: {red_team: {path: red.jsonl}}
models: {assistant: {model: embedded, dtype: float32}}
critique:
  rounds: 1
  respond: {max_tokens: 12}
  critique: {max_tokens: 12}
  revise: {max_tokens: 12}
  selection: {keep_cut_off: all, max_repetition: 1, max_similarity: 1, max_example_similarity: 1}
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "recipe.yaml").write_text(RECIPE)
    rows = [{"id": f"r{n}", "prompt": f"How do I pick lock number {n}?"} for n in range(3)]
    (tmp_path / "red.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return tmp_path


async def test_it_answers_chooses_and_scores_as_transformers_does(
    vllm_server: tuple[str, object], embedded_engine: TransformersEngine
) -> None:
    engine = OpenAIEngine(base_url=vllm_server[0], model="embedded")
    await engine.start()
    assert engine.fingerprint == embedded_engine.fingerprint
    prompt = Prompt("t", "h", messages=(Message("user", "What is the capital of France?"),))
    assert (await engine.chat(prompt, GREEDY)).text == (await embedded_engine.chat(prompt, GREEDY)).text
    ours = await engine.choose(CHOICE, ("A", "B"))
    theirs = await embedded_engine.choose(CHOICE, ("A", "B"))
    assert ours.way == "token_ids"
    assert ours.logprobs == pytest.approx(theirs.logprobs, abs=TOLERANCE)
    assert ours.mass == pytest.approx(theirs.mass, abs=TOLERANCE)
    assert ours.argmax_is_label is theirs.argmax_is_label
    score, expected = (
        await engine.score(CHOICE, "A) a cat"),
        await embedded_engine.score(CHOICE, "A) a cat"),
    )
    assert score.logprob == pytest.approx(expected.logprob, abs=5 * TOLERANCE)
    long = Prompt("t", "h", messages=(Message("user", "A long story. " * 60),))
    await engine.chat(long, GREEDY)
    assert (await engine.chat(long, GREEDY)).cached_tokens >= 128
    await engine.close()


async def test_a_model_that_it_does_not_hold_names_those_that_it_does(
    vllm_server: tuple[str, object],
) -> None:
    engine = OpenAIEngine(base_url=vllm_server[0], model="embeded")
    with pytest.raises(EngineUnavailable, match=r"nearest of its 1: embedded$"):
        await engine.start()
    await engine.close()


async def test_three_engines_give_the_same_keys_and_formats(
    vllm_server: tuple[str, object],
    vllm_engine: Engine,
    embedded_engine: TransformersEngine,
    tmp_path: Path,
) -> None:
    served = OpenAIEngine(base_url=vllm_server[0], model="embedded")
    await served.start()
    keys, formats = [], []
    for number, engine in enumerate((embedded_engine, vllm_engine, served)):
        with Journal(tmp_path / str(number)) as journal:
            row = Context({"judge": engine}, journal, 0).row("r1")
            await row.chat("judge", Prompt("t", "h", messages=(QUESTION,)), GREEDY)
            await row.chat("judge", Prompt("t", "h", text="Once upon a time"), Sampling(max_tokens=4))
            await row.choose("judge", CHOICE, ("A", "B"))
            keys.append(row.keys)
            stored = [journal.get(key) or {} for key in row.keys]
            formats.append([{name: type(value) for name, value in answer.items()} for answer in stored])
    await served.close()
    assert keys[0] == keys[1] == keys[2]
    assert formats[0] == formats[1] == formats[2]


def test_a_run_begun_on_one_engine_goes_on_with_another_and_asks_nothing(
    vllm_server: tuple[str, object], project: Path
) -> None:
    base = ["critique", str(project), "--out", str(project / "out")]
    small = [part for key, value in SMALL.items() for part in ("--set", change(key, value))]
    ways = {
        "transformers": [],
        "vllm": small,
        "openai": ["--set", change("base_url", vllm_server[0])],
    }
    made: list[bytes] = []
    for engine, more in ways.items():
        with started(*base, *more, "--set", change("engine", engine)) as process:
            out, errors = process.communicate(timeout=280)
        assert process.returncode == 0, out + errors
        asked = 9 if engine == "transformers" else 0
        assert f"critique: {asked} calls asked, {9 - asked} found in the journal" in out
        made.append(trajectories(project))
        shutil.rmtree(project / "out" / "data")
    assert made[0] == made[1] == made[2]


def test_two_models_in_one_recipe_take_turns_and_only_one_is_in_memory(
    project: Path, embedded_model: Path
) -> None:
    one = {**SMALL, "engine": "vllm", "takes_turns": True}
    other = {**one, "model": embedded_model}
    changes = [part for key, value in one.items() for part in ("--set", change(key, value))]
    changes += [part for key, value in other.items() for part in ("--set", change(key, value, role="judge"))]
    with started("critique", str(project), "--out", str(project / "out"), *changes) as process:
        awake = 0
        while process.poll() is None:
            awake = max(awake, len(engines_below(process.pid)))
            time.sleep(0.05)
        out, errors = process.communicate(timeout=10)
    assert process.returncode == 0, out + errors
    assert "critique: 9 calls asked, 0 found in the journal" in out
    assert out.count("loading ") == 2
    assert awake == 1
    made = trajectories(project)
    shutil.rmtree(project / "out" / "data")
    same = {"model": embedded_model, "dtype": "float32"}
    changes = [part for key, value in same.items() for part in ("--set", change(key, value, role="judge"))]
    with started("critique", str(project), "--out", str(project / "out"), *changes) as process:
        out, errors = process.communicate(timeout=280)
    assert "critique: 0 calls asked, 9 found in the journal" in out, out + errors
    assert trajectories(project) == made


def test_ctrl_c_lets_calls_in_flight_end_though_the_terminal_tells_vllm_too(
    project: Path, embedded_model: Path
) -> None:
    rows = [{"id": f"r{n}", "prompt": f"How do I pick lock number {n}?"} for n in range(200)]
    (project / "red.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    changes = [part for key, value in SMALL.items() for part in ("--set", change(key, value))]
    changes += ["--set", change("engine", "vllm")]
    with started("critique", str(project), "--out", str(project / "out"), *changes) as process:
        answers = project / "out" / "journal" / "answers.log"
        while process.poll() is None and not (answers.exists() and answers.stat().st_size > 200):
            time.sleep(0.05)
        pids = processes_below(process.pid)
        os.killpg(process.pid, signal.SIGINT)
        _, errors = process.communicate(timeout=240)
    assert process.returncode == 130, errors
    assert "what is on its way comes to its end" in errors
    assert "vLLM's process has ended" not in errors
    with Journal(answers) as journal:
        assert len(journal) >= 2 * settings().max_num_seqs  # all that were on their way
    for pid in pids:
        wait_until_gone(pid)


def test_ctrl_c_ends_it_and_leaves_no_process(embedded_model: Path) -> None:
    from aiohttp.test_utils import unused_port

    changes = [part for key, value in SMALL.items() for part in ("--set", f"{key}={str(value).lower()}")]
    with started("serve", "embedded", "--port", str(unused_port()), *changes) as server:
        assert server.stdout is not None
        while line := server.stdout.readline():
            if "base_url" in line:
                break
        pids = processes_below(server.pid)
        assert len(pids) >= 3
        server.send_signal(signal.SIGINT)
        out, errors = server.communicate(timeout=60)
    assert (server.returncode, errors) == (0, "")
    assert out.endswith("stopped\n")
    for pid in pids:
        wait_until_gone(pid)


def test_a_model_that_vllm_cannot_load_is_told_with_the_log(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (project / "model").mkdir()
    (project / "model" / "config.json").write_text(json.dumps({"model_type": "llama"}))
    (project / "model" / "model.safetensors").touch()
    assert main(["serve", str(project / "model"), "--port", "8199"]) == 1
    assert "cannot be loaded" in capsys.readouterr().err


def change(key: str, value: object, *, role: str = "assistant") -> str:
    return f"models.{role}.{key}={str(value).lower() if isinstance(value, bool) else value}"


def trajectories(project: Path) -> bytes:
    return (project / "out" / "data" / "trajectories" / "part-00000.parquet").read_bytes()


def engines_below(pid: int) -> set[int]:
    """vLLM's processes that hold a model; what they start themselves is a part of them."""
    import psutil

    found: dict[int, int] = {}
    for child in psutil.Process(pid).children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            if "EngineCore" in " ".join(child.cmdline()):
                found[child.pid] = child.ppid()
    return {own for own, parent in found.items() if parent not in found}


def processes_below(pid: int) -> list[int]:
    import psutil

    return [child.pid for child in psutil.Process(pid).children(recursive=True)]
