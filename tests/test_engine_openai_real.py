"""The engine for OpenAI-compatible servers against a real one: `transformers serve` on the embedded model.

That server answers chat and text prompts; it continues no assistant message and returns no log-probabilities,
so choosing, scoring and prefills must stop with a clear word rather than give a wrong answer.
"""

import asyncio
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from aiohttp.test_utils import unused_port

from engine.openai import OpenAIEngine
from engine.protocol import EngineUnavailable, Sampling
from prompts.message import Message, Prompt

pytestmark = pytest.mark.model

QUESTION = Message("user", "What is the capital of France?")
GREEDY = Sampling(max_tokens=24, temperature=0.0)


@pytest.fixture(scope="module")
def base_url(embedded_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A running `transformers serve`, its cache empty and the Hub out of reach; stopped at the end."""
    for package in ("fastapi", "uvicorn", "openai"):
        pytest.importorskip(
            package, reason="transformers serve needs the 'serve' extra: transformers[serving]"
        )
    folder = tmp_path_factory.mktemp("server")
    port, log = unused_port(), folder / "log"
    with log.open("w") as output:
        server = subprocess.Popen(
            [
                *(sys.executable, "-m", "transformers.cli.transformers", "serve", str(embedded_model)),
                *("--host", "127.0.0.1", "--port", str(port), "--device", "cpu"),
            ],
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**os.environ, "HF_HUB_OFFLINE": "1", "HF_HOME": str(folder / "hub")},
        )
        try:
            _wait_until_ready(f"http://127.0.0.1:{port}/health", server, log=log)
            yield f"http://127.0.0.1:{port}/v1"
        finally:
            server.terminate()
            try:
                server.wait(10)
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait()


def _wait_until_ready(url: str, server: subprocess.Popen[bytes], *, log: Path) -> None:
    deadline = time.monotonic() + 50
    while time.monotonic() < deadline and server.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=2):
                return
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            time.sleep(0.25)
    pytest.fail(f"the server did not start:\n{log.read_text()[-2000:]}")


async def test_a_real_server_answers_chat_and_text_prompts(base_url: str, embedded_model: Path) -> None:
    chat = Prompt("respond", "hash", messages=(QUESTION,))
    text = Prompt("respond", "hash", text="The capital of France is", stop=(".", "\n"))
    engine = OpenAIEngine(base_url=base_url, model=str(embedded_model), max_in_flight=2)
    try:
        first, again, continued = await asyncio.gather(
            engine.chat(chat, GREEDY), engine.chat(chat, GREEDY), engine.chat(text, GREEDY)
        )
    finally:
        await engine.close()
    assert first == again
    assert "Paris" in first.text
    assert "Paris" in continued.text
    assert not continued.text.endswith(".")
    assert first.prompt_tokens > 10
    assert 0 < first.completion_tokens <= 24


async def test_a_real_server_cuts_off_at_max_tokens_and_says_so(base_url: str, embedded_model: Path) -> None:
    prompt = Prompt("respond", "hash", messages=(Message("user", "Count from one to fifty in words."),))
    engine = OpenAIEngine(base_url=base_url, model=str(embedded_model))
    try:
        completion = await engine.chat(prompt, Sampling(max_tokens=3, temperature=0.0))
    finally:
        await engine.close()
    assert (completion.finish_reason, completion.completion_tokens) == ("length", 3)


async def test_what_a_real_server_cannot_do_stops_the_run(base_url: str, embedded_model: Path) -> None:
    prefilled = Prompt("compare", "hash", messages=(QUESTION, Message("assistant", "Answer: (")))
    asked = Prompt("compare", "hash", messages=(QUESTION,))
    engine = OpenAIEngine(base_url=base_url, model=str(embedded_model))
    try:
        with pytest.raises(EngineUnavailable, match="cannot continue an assistant's message"):
            await engine.chat(prefilled, GREEDY)
        with pytest.raises(EngineUnavailable, match="returns no log-probabilities"):
            await engine.choose(asked, ("A", "B"))
        with pytest.raises(EngineUnavailable, match="no log-probabilities for the tokens of a prompt"):
            await engine.score(Prompt("respond", "hash", text="The capital of France is"), " Paris")
    finally:
        await engine.close()
