"""A server that speaks OpenAI's interface, fails by a seeded script, and keeps a ledger of what it was asked.

It runs in a process of its own on the loopback, so that the client can be killed and the ledger stays:

    with fault_server(tmp_path, Script(faults={"server_error": 0.1, "half_closed": 0.05})) as server:
        engine = OpenAIEngine(base_url=server.base_url, model=MODEL)
        ...
        entries = server.entries()      # or read_ledger(server.ledger) from any process, at any time

One ledger line per question is appended and flushed before its answer goes out: `Entry(hash, path, attempt,
outcome)`, `hash` over the body, `attempt` counting that body from 0, `outcome` "ok" or the fault. Faults
that a client gets over are a function of (seed, hash, attempt), and what it is answered in the end is one of
(seed, hash): the order of arrival changes nothing, nor does asking again, and a server that is started again
on the same ledger goes on counting. A client that commits what it is told has at most one `answered` entry
for each hash. `fault_answers.chat_text(hash)` is what a chat is answered, so that a client's
own records name the request behind them.

The server exits when the process that started it does. By itself: `python tests/fault_server.py FOLDER
'{"latency_s": 0.05}'` writes `FOLDER/port` when it listens; it stops when its standard input closes.
"""

import asyncio
import contextlib
import hashlib
import json
import os
import re
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import cast

from fault_answers import Json, completion, share, tokenized

MODEL = "stub"
RETRIED = (
    "rate_limited",
    "retry_after",
    "retry_date",
    "server_error",
    "unavailable",
    "timeout",
    "half_closed",
)
"""Faults that a client gets over by asking again: the next attempt draws anew. All others stay."""
BROKEN = ("invalid_json", "no_choices", "null_content", "nan_logprob", "no_logprobs")
"""Answers that are none; the last two come on label calls only, the one before on chats only."""
FAULTS = (*RETRIED, *BROKEN, "cut_off", "unauthorized", "not_found", "too_long")
FEATURES = ("tokenize", "logprob_token_ids", "allowed_token_ids", "structured_outputs", "guided_choice")
_WANTED = re.compile(rb"fault:(\w+)(?:\*(\d+))?")
_LABELS_ONLY = {"nan_logprob", "no_logprobs"}
_CHATS_ONLY = {"null_content", "cut_off"}


@dataclass(frozen=True, slots=True)
class Script:
    """What the server does. `faults` are shares of requests by name; seconds are per answer.

    A question that says `fault:NAME` gets that fault always, `fault:NAME*2` at its first two attempts.
    `tail_share` of the requests take `tail_s` instead of `latency_s`. A timeout is silence for `hang_s`.
    `features` are what vLLM has beyond OpenAI; without one its field is ignored, and `tokenize` is a 404.
    """

    seed: int = 0
    faults: Mapping[str, float] = field(default_factory=dict)
    latency_s: float = 0.0
    tail_share: float = 0.0
    tail_s: float = 1.0
    hang_s: float = 30.0
    retry_after_s: int = 1
    features: tuple[str, ...] = FEATURES
    ledger: bool = True


@dataclass(frozen=True, slots=True)
class Entry:
    """One request in the ledger."""

    hash: str
    path: str
    attempt: int
    outcome: str

    @property
    def answered(self) -> bool:
        """Whether the client got something that it may keep."""
        return self.outcome in ("ok", "cut_off")


@dataclass(frozen=True, slots=True)
class Running:
    """A server that listens. `pid` is there to be stopped with `os.kill`, as a crash of the server."""

    base_url: str
    ledger: Path
    pid: int

    def entries(self) -> list[Entry]:
        return read_ledger(self.ledger)


@contextlib.contextmanager
def fault_server(folder: Path, script: Script | None = None) -> Iterator[Running]:
    """A running server whose ledger is `folder/ledger`; stopped at the end."""
    folder.mkdir(parents=True, exist_ok=True)
    port = folder / "port"
    port.unlink(missing_ok=True)
    command = [sys.executable, __file__, str(folder), json.dumps(asdict(script or Script()))]
    with subprocess.Popen(command, stdin=subprocess.PIPE) as process:
        try:
            while not port.is_file():
                if process.poll() is not None:
                    raise RuntimeError(f"the fault server ended with exit code {process.returncode}")
                time.sleep(0.01)
            base_url = f"http://127.0.0.1:{port.read_text()}/v1"
            yield Running(base_url, folder / "ledger", process.pid)
        finally:
            process.kill()


def read_ledger(path: Path) -> list[Entry]:
    """All requests so far, in the order of arrival."""
    return read_ledger_from(path, 0)[0]


def read_ledger_from(path: Path, start: int) -> tuple[list[Entry], int]:
    """The requests from a byte on, and the byte behind the last of them."""
    lines = _lines(path, start)
    return [_entry(line) for line in lines], start + sum(len(line) + 1 for line in lines)


def _entry(line: str) -> Entry:
    name, path, attempt, outcome = line.split(" ")
    return Entry(name, path, int(attempt), outcome)


def _lines(path: Path, start: int = 0) -> list[str]:
    """Whole lines: a server that was killed may have left half of one."""
    if not path.is_file():
        return []
    with path.open("rb") as file:
        file.seek(start)
        text = file.read().decode("ascii")
    return text[: text.rfind("\n") + 1].splitlines()


@dataclass(slots=True)
class Server:
    """Decides what each request gets, writes the ledger, and answers over one connection each."""

    script: Script
    ledger: int | None
    attempts: Counter[str]

    def answer(
        self, path: str, raw: bytes, send: Callable[[bytes], None], transport: asyncio.Transport
    ) -> None:
        if path == "/v1/models":
            send(_response(200, {"data": [{"id": MODEL}]}))
            return
        if path not in ("/tokenize", "/v1/completions", "/v1/chat/completions"):
            send(_error(404, f"nothing is at {path}"))
            return
        body = json.loads(raw)
        if path == "/tokenize":
            known = "tokenize" in self.script.features
            send(_response(200, {"tokens": tokenized(body)}) if known else _error(404, "no tokenizer"))
            return
        request_hash = hashlib.sha256(raw).hexdigest()[:32]
        attempt = self.attempts[request_hash]
        self.attempts[request_hash] += 1
        fault = self._fault(raw, request_hash, attempt=attempt, is_label=bool(body.get("logprobs")))
        if self.ledger is not None:
            os.write(self.ledger, f"{request_hash} {path} {attempt} {fault or 'ok'}\n".encode())
        if fault == "timeout":
            asyncio.get_running_loop().call_later(self.script.hang_s, transport.abort)
            return
        reply = self._reply(path, body, request_hash=request_hash, fault=fault)
        asyncio.get_running_loop().call_later(
            self._latency(request_hash), self._send, reply, fault, send, transport
        )

    def _send(
        self, reply: bytes, fault: str, send: Callable[[bytes], None], transport: asyncio.Transport
    ) -> None:
        if transport.is_closing():
            return
        if fault == "half_closed":
            send(reply[: len(reply) // 2])
            with contextlib.suppress(OSError):  # the client may have been killed in this moment
                transport.write_eof()
            return
        send(reply)

    def _fault(self, raw: bytes, request_hash: str, *, attempt: int, is_label: bool) -> str:
        wanted = _WANTED.search(raw)
        if wanted:
            return wanted[1].decode() if attempt < int(wanted[2] or attempt + 1) else ""
        passing = self._drawn(share(self.script.seed, request_hash, attempt), lasting=False)
        if passing:
            return passing
        lasting = self._drawn(share(self.script.seed, request_hash, "answer"), lasting=True)
        return "" if lasting in (_CHATS_ONLY if is_label else _LABELS_ONLY) else lasting

    def _drawn(self, drawn: float, *, lasting: bool) -> str:
        for name, part in self.script.faults.items():
            if (name not in RETRIED) is lasting:
                if drawn < part:
                    return name
                drawn -= part
        return ""

    def _latency(self, request_hash: str) -> float:
        slow = share(self.script.seed, request_hash, "latency") < self.script.tail_share
        return self.script.tail_s if slow else self.script.latency_s

    def _reply(self, path: str, body: Json, *, request_hash: str, fault: str) -> bytes:
        after = self.script.retry_after_s
        failures: Mapping[str, Callable[[], bytes]] = {
            "rate_limited": lambda: _error(429, "too many requests"),
            "retry_after": lambda: _error(429, "too many requests", f"Retry-After: {after}\r\n"),
            "retry_date": lambda: _error(429, "too many requests", _dates(after)),
            "server_error": lambda: _error(500, "something broke"),
            "unavailable": lambda: _error(503, "overloaded"),
            "unauthorized": lambda: _error(401, "no such key"),
            "not_found": lambda: _error(404, "no such model"),
            "too_long": lambda: _error(400, "This model's maximum context length is 8 tokens."),
            "invalid_json": lambda: _framed(200, b'{"choices": [{"mess'),
        }
        if fault in failures:
            return failures[fault]()
        features = self.script.features
        return _response(
            200, completion(path, body, request_hash=request_hash, fault=fault, features=features)
        )


def _dates(seconds: int) -> str:
    """A Date and a Retry-After that far behind it; the clock itself does not matter."""
    return f"Date: Sun, 22 Nov 2026 10:00:00 GMT\r\nRetry-After: Sun, 22 Nov 2026 10:00:{seconds:02d} GMT\r\n"


def _error(status: int, message: str, headers: str = "") -> bytes:
    return _framed(status, json.dumps({"error": {"message": message}}).encode(), headers)


def _response(status: int, body: Json) -> bytes:
    return _framed(status, json.dumps(body).encode())


def _framed(status: int, body: bytes, headers: str = "") -> bytes:
    head = f"HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n"
    return f"{head}{headers}\r\n".encode() + body


class Connection(asyncio.Protocol):
    """HTTP/1.1 as far as one client needs it: requests with a length, one after the other."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while True:
            head, mark, rest = self._buffer.partition(b"\r\n\r\n")
            length = _content_length(head)
            if not mark or len(rest) < length:
                return
            self._buffer = rest[length:]
            path = head.split(b" ", 2)[1].decode("latin-1")
            self._server.answer(path, rest[:length], self._transport.write, self._transport)


def _content_length(head: bytes) -> int:
    for line in head.split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            return int(value)
    return 0


async def serve(folder: Path, script: Script) -> None:
    """Listen on a free port of the loopback until standard input closes."""
    ledger = folder / "ledger"
    attempts = Counter(_entry(line).hash for line in _lines(ledger))
    file = os.open(ledger, os.O_WRONLY | os.O_APPEND | os.O_CREAT) if script.ledger else None
    server = Server(script, file, attempts)
    loop = asyncio.get_running_loop()
    listening = await loop.create_server(lambda: Connection(server), "127.0.0.1", 0, backlog=1024)
    port = listening.sockets[0].getsockname()[1]
    (folder / "port.new").write_text(str(port))
    (folder / "port.new").rename(folder / "port")
    await loop.run_in_executor(None, sys.stdin.buffer.read)
    os._exit(0)


def main() -> None:
    folder, settings = Path(sys.argv[1]), json.loads(sys.argv[2] if len(sys.argv) > 2 else "{}")
    unknown = set(settings.get("faults", {})) - set(FAULTS)
    if unknown:
        sys.exit(f"unknown faults {sorted(unknown)}, expected some of {', '.join(FAULTS)}")
    asyncio.run(serve(folder, Script(**{**settings, "features": tuple(settings.get("features", FEATURES))})))


if __name__ == "__main__":
    main()
