"""JSON over HTTP to the servers of one engine: connections, time-outs, and the one retry loop.

What comes in is a path and a JSON body; what goes out is the decoded JSON object, or a `CallError` for this
call, or `EngineUnavailable` for all of them. It stands between `engine.openai`, which knows what to ask, and
the network; `engine.http_reply` says what an answer means, `engine.backoff` how long to wait, and
`engine.endpoint` where to ask. The API key enters here and goes nowhere but into the Authorization header.
"""

import asyncio
import json
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from urllib.request import getproxies, proxy_bypass

import aiohttp
from pydantic import SecretStr
from yarl import URL

from engine.backoff import Backoff
from engine.endpoint import Endpoint, Endpoints, shared_endpoint
from engine.http_reply import Redacted, Setback
from engine.protocol import CallError, EngineUnavailable

_COMPACT = json.JSONEncoder(separators=(",", ":"))

Sleep = Callable[[float], Awaitable[object]]

_CONNECT_S = 10.0
"""Seconds for a connection to come about; a server that is there takes it in far less."""
_KEEP_ALIVE_S = 4.0
"""An idle connection is used again for this long: uvicorn, which serves most of them, closes after 5."""


class Unreachable(EngineUnavailable):
    """No connection came about, however often it was tried."""


@dataclass(frozen=True, slots=True)
class _Question:
    """One request as it is sent; `sticky` and `at` say where."""

    path: str
    body: bytes | None
    sticky: str = ""
    at: URL | None = None
    at_root: bool = False


class JsonClient:
    """Asks one or several servers of one model; opens its connections on the first call.

    `base_urls` are http or https and carry no password. Redirects are refused, so a key goes only where it
    was meant to. Proxies are read from the environment for hosts other than this machine; netrc never is.
    Each server gets at most `max_in_flight` calls at once, from all clients of the process together.
    """

    def __init__(
        self,
        *,
        base_urls: Sequence[str],
        api_key: str | None,
        timeout_s: float,
        max_in_flight: int,
        backoff: Backoff,
        rng: random.Random,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        if not base_urls:
            raise ValueError("there is no base URL, expected one or more")
        self.base_urls = tuple(dict.fromkeys(_checked_url(url) for url in base_urls))
        self._key = _checked_key(api_key)
        self._reads = Redacted(self._key)
        self._timeout_s = timeout_s
        self._max_in_flight = max_in_flight
        self._backoff = backoff
        self._rng = rng
        self._sleep = sleep
        self._session: aiohttp.ClientSession | None = None
        self._endpoints = Endpoints(())
        self._proxies = {url: _proxy(url) for url in self.base_urls}

    def __repr__(self) -> str:
        return f"JsonClient({', '.join(map(str, self.base_urls))!r}, key={'set' if self._key else 'none'})"

    async def get(self, path: str, *, at: URL, retries: int | None = None) -> Mapping[str, object]:
        """The JSON object at `path` below the base URL `at`."""
        return await self._ask(_Question(path, None, at=at), retries)

    async def post(
        self, path: str, body: Mapping[str, object], *, sticky: str = "", at_root: bool = False
    ) -> Mapping[str, object]:
        """The JSON object that a server answers to `body`; the same `sticky` text goes to the same server.

        `at_root`: the path lies beside the base URL's /v1, where vLLM has what OpenAI's interface lacks.
        """
        sent = _COMPACT.encode(body).encode()
        return await self._ask(_Question(path, sent, sticky=sticky, at_root=at_root), None)

    async def close(self) -> None:
        """Close the connections; a later call opens new ones, in whichever event loop it runs."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def _ask(self, question: _Question, retries: int | None) -> Mapping[str, object]:
        """The one retry loop; a call that waits keeps its place, so a struggling server is not pushed."""
        session = self._open()
        last = self._backoff.retries if retries is None else retries
        attempt, before = 0, False
        while True:
            endpoint = self._endpoint(question)
            entered = await endpoint.window.enter(ahead=before)
            before = True
            try:
                outcome = await self._attempt(session, question, endpoint=endpoint)
                if not isinstance(outcome, Setback):
                    endpoint.answered()
                    return outcome
                endpoint.failed(unreachable=outcome.unreachable, busy=outcome.reason == "rate_limited")
                if outcome.too_much:
                    endpoint.window.cut(entered)
                if outcome.unreachable and question.at is None and self._endpoints.up():
                    continue  # another server is up: no reason to wait
                if attempt >= last:
                    raise _given_up(outcome, attempts=attempt + 1)
                again = outcome.retry_after
                await self._sleep(self._backoff.delay(attempt, self._rng, retry_after=again))
            finally:
                endpoint.window.leave()
            attempt += 1

    async def _attempt(
        self, session: aiohttp.ClientSession, question: _Question, *, endpoint: Endpoint
    ) -> Mapping[str, object] | Setback:
        url = _address(endpoint.url, question.path, at_root=question.at_root)
        method = "GET" if question.body is None else "POST"
        try:
            async with session.request(
                method, url, data=question.body, allow_redirects=False, proxy=self._proxies[endpoint.url]
            ) as response:
                content = await response.read()
        except aiohttp.ConnectionTimeoutError:
            return Setback("timeout", f"no connection to {url} came about", unreachable=True)
        except TimeoutError:
            return Setback("timeout", f"{url} did not answer within {self._timeout_s:g} s", too_much=True)
        except aiohttp.ClientConnectorCertificateError as error:
            raise EngineUnavailable(f"the certificate of {url.host} is not trusted: {error}") from error
        except aiohttp.ClientConnectorError as error:
            return Setback("connection", f"cannot connect to {url}: {error.strerror}", unreachable=True)
        except (aiohttp.ClientError, ConnectionError) as error:
            return Setback("connection", f"the connection to {url} broke: {type(error).__name__}")
        if response.status == 200:
            return self._reads.json_object(content)
        return self._reads.failure(url, response.status, headers=response.headers, content=content)

    def _endpoint(self, question: _Question) -> Endpoint:
        if question.at is None:
            return self._endpoints.choose(question.sticky)
        return next(endpoint for endpoint in self._endpoints.all if endpoint.url == question.at)

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None or self._session.closed:
            headers = {"Content-Type": "application/json"}
            if self._key:
                headers["Authorization"] = f"Bearer {self._key.get_secret_value()}"
            self._endpoints = Endpoints([shared_endpoint(url, self._max_in_flight) for url in self.base_urls])
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=_KEEP_ALIVE_S),
                timeout=aiohttp.ClientTimeout(total=self._timeout_s, sock_connect=_CONNECT_S),
                headers=headers,
            )
        return self._session


@lru_cache(maxsize=64)
def _address(base: URL, path: str, *, at_root: bool) -> URL:
    return (base.parent if at_root and base.name == "v1" else base) / path


def _given_up(setback: Setback, *, attempts: int) -> CallError | EngineUnavailable:
    message = f"{setback.message} (attempts: {attempts})"
    if setback.unreachable:
        return Unreachable(f"{message}. Is the server running, and is the base URL its own?")
    return CallError(setback.reason, message)


def _checked_url(base_url: str) -> URL:
    url = URL(base_url.rstrip("/"))
    if url.user or url.password:
        raise ValueError("the base URL holds a user or password: give the key in an environment variable")
    if url.scheme not in {"http", "https"} or not url.host or url.query_string or url.fragment:
        raise ValueError(f"base URL is {base_url!r}, expected something like http://127.0.0.1:8000/v1")
    return url


def _checked_key(api_key: str | None) -> SecretStr | None:
    key = (api_key or "").strip()
    if not key.isascii() or not key.isprintable():
        raise ValueError("the API key holds characters that cannot be sent: copy it again")
    return SecretStr(key) if key else None


def _proxy(url: URL) -> str | None:
    host = url.host or ""
    if host in {"localhost", "127.0.0.1", "::1"} or proxy_bypass(host):
        return None
    return getproxies().get(url.scheme)
