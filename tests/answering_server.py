"""A server that speaks OpenAI's interface for the tests of whole runs: it answers at once, always the same to
the same question, and keeps a ledger of everything that it was asked.

It runs in the test's process, in a thread of its own, so that the client may be killed and the ledger not.
"""

import asyncio
import hashlib
import json
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from aiohttp import web

WORDS = (
    "we",
    "could",
    "bake",
    "bread",
    "or",
    "walk",
    "home",
    "and",
    "read",
    "about",
    "ships",
    "until",
    "noon",
)


PROBE = "Answer with one of: "
"""How an engine's own question begins, by which it finds out how labels may be asked for."""


@dataclass
class Ledger:
    """What rows asked, in order, each call as one text; `on_call` gets its number before it is answered, and
    `says` what is answered to it, None for words of the question's hash.

    An engine asks for the models, for tokens, and how labels may be asked for, each time it starts: that is
    answered and not in the ledger.
    """

    url: str = ""
    calls: list[str] = field(default_factory=list)
    on_call: Callable[[int], None] = lambda number: None
    says: Callable[[str], str | None] = lambda call: None
    delay_s: float = 0.0

    @property
    def counts(self) -> Counter[str]:
        return Counter(self.calls)

    async def answer(self, request: web.Request) -> web.Response:
        if request.path.endswith("/models"):
            return web.json_response({"data": [{"id": "m"}]})
        if not request.path.endswith("/completions"):
            return web.json_response({"error": "no such path"}, status=404)
        asked = await request.json()
        call = json.dumps(asked, sort_keys=True)
        if PROBE in call:
            return web.json_response(reply(call, asked))
        self.calls.append(call)
        self.on_call(len(self.calls))
        if self.delay_s:
            await asyncio.sleep(self.delay_s)
        return web.json_response(reply(call, asked, self.says(call)))


def reply(call: str, asked: dict[str, object], said: str | None = None) -> dict[str, object]:
    """An answer made of the question's hash where nothing is `said`, with its words as tokens."""
    noise = hashlib.sha256(call.encode()).digest()
    words = [WORDS[byte % len(WORDS)] for byte in noise[:12]] if said is None else said.split()
    first = 0.2 + 0.6 * noise[0] / 255
    top = [{"token": "A", "logprob": -0.1 - first}, {"token": "B", "logprob": -0.9 + first}]
    choice: dict[str, object] = {
        "index": 0,
        "message": {"role": "assistant", "content": " ".join(words) + "." if said is None else said},
        "finish_reason": "stop",
    }
    if asked.get("logprobs"):
        choice["logprobs"] = {"content": [{**top[0], "top_logprobs": top}]}
    prompt_tokens = len(call.split())
    return {"choices": [choice], "usage": {"prompt_tokens": prompt_tokens, "completion_tokens": len(words)}}


@contextmanager
def answering() -> Iterator[Ledger]:
    """The server, up while the context is open; `url` is its base URL."""
    ledger, loop = Ledger(), asyncio.new_event_loop()

    async def serve() -> web.AppRunner:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", ledger.answer)
        runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        return runner

    runner = loop.run_until_complete(serve())
    ledger.url = f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        yield ledger
    finally:
        asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
