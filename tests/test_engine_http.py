"""Several servers, and servers that have too much: where calls go, and how many go at once."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer, unused_port
from fault_server import MODEL, Running, fault_server
from yarl import URL

from engine.backoff import Backoff
from engine.endpoint import shared_endpoint
from engine.openai import OpenAIEngine
from engine.protocol import EngineUnavailable, Sampling
from prompts.message import Message, Prompt

GREEDY = Sampling(max_tokens=8, temperature=0.0)


def saying(*texts: str) -> Prompt:
    return Prompt("respond", "hash", messages=tuple(Message("user", text) for text in texts))


async def at_once(_seconds: float) -> None:
    await asyncio.sleep(0)


def engine_of(*base_urls: str, retries: int = 2, max_in_flight: int = 64) -> OpenAIEngine:
    return OpenAIEngine(
        base_url=base_urls,
        model=MODEL,
        max_in_flight=max_in_flight,
        backoff=Backoff(retries=retries),
        sleep=at_once,
    )


@pytest.fixture
def servers(tmp_path: Path) -> Iterator[tuple[Running, Running]]:
    with ExitStack() as stack:
        first, second = (stack.enter_context(fault_server(tmp_path / name)) for name in ("first", "second"))
        yield first, second


async def test_the_same_conversation_goes_to_the_same_server_and_both_have_work(
    servers: tuple[Running, Running],
) -> None:
    engine = engine_of(*(server.base_url for server in servers))
    for row in range(20):
        for principle in ("kinder", "safer"):
            await engine.chat(saying(f"Row {row} {'word ' * 60}. Which is {principle}?"), GREEDY)
    await engine.close()
    first, second = (len(server.entries()) for server in servers)
    assert first + second == 40
    assert first % 2 == second % 2 == 0, "both questions of a row go to one server"
    assert min(first, second) > 0


async def test_a_server_that_is_killed_leaves_its_rows_to_the_other(servers: tuple[Running, Running]) -> None:
    engine = engine_of(*(server.base_url for server in servers))
    for row in range(8):
        await engine.chat(saying(f"Row {row}"), GREEDY)
    os.kill(servers[0].pid, signal.SIGKILL)
    answers = await asyncio.gather(*(engine.chat(saying(f"Later row {row}"), GREEDY) for row in range(40)))
    assert len(answers) == 40
    os.kill(servers[1].pid, signal.SIGKILL)
    with pytest.raises(EngineUnavailable, match="cannot connect"):
        await engine.chat(saying("Is anybody there?"), GREEDY)
    await engine.close()


async def test_one_server_of_several_is_enough_to_start(servers: tuple[Running, Running]) -> None:
    engine = engine_of(f"http://127.0.0.1:{unused_port()}/v1", servers[0].base_url)
    await engine.start()
    answers = [await engine.chat(saying(f"Row {row}"), GREEDY) for row in range(6)]
    await engine.close()
    assert len(answers) == len(servers[0].entries()) == 6


def test_no_server_at_all_is_refused() -> None:
    with pytest.raises(ValueError, match="no base URL"):
        engine_of()


class Narrow:
    """A server that takes `room` calls at once and answers 429 to any more."""

    def __init__(self, room: int) -> None:
        self.room, self.open, self.busiest, self.refused = room, 0, 0, 0

    async def answer(self, request: web.Request) -> web.StreamResponse:
        if request.path.endswith("/models"):
            return web.json_response({})
        self.open += 1
        self.busiest = max(self.busiest, self.open)
        try:
            if self.open > self.room:
                self.refused += 1
                return web.json_response({"error": {"message": "too many"}}, status=429)
            await asyncio.sleep(0.002)
            return web.json_response({"choices": [{"message": {"content": "Hi"}}]})
        finally:
            self.open -= 1

    @asynccontextmanager
    async def running(self) -> AsyncIterator[str]:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self.answer)
        async with TestServer(app) as running:
            yield str(running.make_url("/v1"))


async def test_a_server_that_says_too_many_gets_fewer_at_once_and_every_row_its_answer() -> None:
    server = Narrow(room=4)
    async with server.running() as base_url:
        engine = engine_of(base_url, retries=1000)
        answers = await asyncio.gather(*(engine.chat(saying(f"Row {row}"), GREEDY) for row in range(300)))
        limit = shared_endpoint(URL(base_url), 1).window.limit
        await engine.close()
    assert len(answers) == 300
    assert limit <= 8, "it swings around what the server takes"
    assert server.refused < 300, "the first 60, and then only where the window tries for more"


async def test_engines_on_one_server_share_its_places() -> None:
    server = Narrow(room=1000)
    async with server.running() as base_url:
        engines = [engine_of(base_url, max_in_flight=5) for _ in range(3)]
        calls = [engine.chat(saying(f"Row {row}"), GREEDY) for row in range(10) for engine in engines]
        await asyncio.gather(*calls)
        for engine in engines:
            await engine.close()
    assert server.busiest == 5
