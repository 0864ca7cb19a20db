"""`solon serve`: its flags and errors anywhere; the server itself, asked and ended, where vLLM is installed."""

import json
import shutil
import signal
import socket
from pathlib import Path

import pytest

from constitution.document import DocumentError
from engine.hf import TransformersEngine
from engine.openai import OpenAIEngine
from engine.protocol import Engine, EngineUnavailable, Fingerprint, Sampling
from pipeline.context import Context
from pipeline.journal import Journal
from prompts.message import Message, Prompt
from solon.cli import main
from solon.errors import BadInputError
from solon.serve import arguments, how_to_ask, serve, served_model
from tests.test_engine_vllm_process import wait_until_gone
from tests.vllm_engines import SMALL, needs_vllm, started

GREEDY = Sampling(max_tokens=12, temperature=0.0)
QUESTION = Message("user", "Which is better for a small flat?\n(A) a cat\n(B) a horse")
CHOICE = Prompt("t", "h", messages=(QUESTION, Message("assistant", "The better one is (")))
TOLERANCE = 2e-3
PRINT = Fingerprint("model", "1", "", "float32", "t")
RECIPE = """
name: small
constitution: starter
data: {red_team: {path: red.jsonl}}
models:
  assistant: {model: embedded, dtype: float32, adapter: lora}
  judge: {model: ./judge}
critique: {rounds: 1, respond: {max_tokens: 12}, critique: {max_tokens: 12}, revise: {max_tokens: 12}}
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "recipe.yaml").write_text(RECIPE)
    rows = [{"id": f"r{n}", "prompt": f"How do I pick lock number {n}?"} for n in range(3)]
    (tmp_path / "red.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "lora").mkdir()
    (tmp_path / "lora" / "adapter_config.json").write_text('{"r": 6}')
    (tmp_path / "lora" / "adapter_model.safetensors").touch()
    (tmp_path / "judge").mkdir()
    (tmp_path / "judge" / "config.json").write_text("{}")
    (tmp_path / "judge" / "model.safetensors").touch()
    return tmp_path


@pytest.mark.model
def test_a_recipes_model_is_served_under_the_recipes_name(project: Path, embedded_model: Path) -> None:
    served = served_model(str(project))
    assert (served.name, served.settings.adapter) == ("embedded", project / "lora")
    flags = arguments(served, PRINT, port=8123)
    assert flags[:6] == ["--model", str(embedded_model), "--host", "127.0.0.1", "--port", "8123"]
    module = json.dumps({"name": "embedded", "path": str(project / "lora")})
    assert flags[flags.index("--lora-modules") + 1] == module
    assert flags[flags.index("--max-lora-rank") + 1] == "8"
    assert flags[flags.index("--dtype") + 1] == "float32"
    assert "--trust-remote-code" not in flags


def test_the_judge_is_served_where_it_is_asked_for(project: Path) -> None:
    served = served_model(str(project / "recipe.yaml"), role="judge")
    assert (served.name, served.settings.model) == ("./judge", str(project / "judge"))
    told = how_to_ask(served, 8123)
    assert (
        '  judge:\n    engine: openai\n    model: "./judge"\n    base_url: http://127.0.0.1:8123/v1' in told
    )


def test_a_model_is_served_by_itself_with_settings_of_its_own(project: Path) -> None:
    served = served_model(str(project / "judge"), overrides=["max_model_len=64", "trust_remote_code=true"])
    flags = arguments(served, PRINT, port=1)
    assert flags[flags.index("--max-model-len") + 1] == "64"
    assert "--trust-remote-code" in flags
    with pytest.raises(DocumentError, match="max_model_length"):
        served_model("embedded", overrides=["max_model_length=64"])


def test_a_model_that_is_not_there_is_told_before_anything_starts(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match="there is no folder"):
        served_model(str(tmp_path / "nothing"))
    with pytest.raises(DocumentError, match="nothing.yaml"):
        served_model(str(tmp_path / "nothing.yaml"))


def test_a_port_that_is_taken_is_told(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("psutil")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(BadInputError, match=f"port {port} on 127.0.0.1 cannot be had"):
            serve(served_model(str(project / "judge")), port=port, say=print)


class TestServed:
    """Against a real server."""

    pytestmark = needs_vllm

    async def test_it_answers_chooses_and_scores_as_transformers_does(
        self, vllm_server: tuple[str, object], embedded_engine: TransformersEngine
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
        self, vllm_server: tuple[str, object]
    ) -> None:
        engine = OpenAIEngine(base_url=vllm_server[0], model="embeded")
        with pytest.raises(EngineUnavailable, match="nearest of its 1: embedded$"):
            await engine.start()
        await engine.close()

    async def test_three_engines_give_the_same_keys_and_formats(
        self,
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
        self, vllm_server: tuple[str, object], project: Path
    ) -> None:
        base = ["critique", str(project), "--out", str(project / "out"), "--set", "models.judge=null"]
        base += ["--set", "models.assistant.adapter=null"]
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
            made.append((project / "out" / "data" / "trajectories" / "part-00000.parquet").read_bytes())
            shutil.rmtree(project / "out" / "data")
        assert made[0] == made[1] == made[2]

    def test_ctrl_c_ends_it_and_leaves_no_process(self, embedded_model: Path) -> None:
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
        self, project: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        (project / "judge" / "config.json").write_text(json.dumps({"model_type": "llama"}))
        assert main(["serve", str(project / "judge"), "--port", "8199"]) == 1
        assert "cannot be loaded" in capsys.readouterr().err


def change(key: str, value: object) -> str:
    return f"models.assistant.{key}={str(value).lower()}"


def processes_below(pid: int) -> list[int]:
    import psutil

    return [child.pid for child in psutil.Process(pid).children(recursive=True)]
