"""JSON over HTTP to one server: connections, time-outs, the one retry loop, and what each failure means.

What comes in is a path and a JSON body; what goes out is the decoded JSON object, or a `CallError` for this
call, or `EngineUnavailable` for all of them. It stands between `engine.openai`, which knows what to ask, and
the network. The API key enters here and goes nowhere but into the Authorization header.
"""

import asyncio
import json
import random
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal
from urllib.request import getproxies, proxy_bypass

import aiohttp
from pydantic import SecretStr
from yarl import URL

from engine.protocol import CallError, EngineUnavailable

_RETRIED = frozenset({429, 500, 502, 503, 504})
_TOO_LONG = re.compile(
    r"context[ _]?(length|size|window)|maximum (model|input|sequence) length|max_model_len"
    r"|(prompt|input|request) is too (long|large)|too many tokens",
    re.IGNORECASE,
)
_REFUSED_FIELD = re.compile(
    r"unsupported (parameter|value)|unrecognized request argument|unexpected fields? in the request"
    r"|extra_forbidden|extra inputs are not permitted|unknown (parameter|argument|field)"
    r"|continue_final_message|add_generation_prompt",
    re.IGNORECASE,
)
_SHOWN = 400
"""How much of a server's error text is worth showing, in characters."""


@dataclass(frozen=True, slots=True)
class Backoff:
    """How often and how patiently one call is asked again. Times in seconds."""

    retries: int = 6
    first: float = 0.5
    longest: float = 8.0
    longest_retry_after: float = 120.0

    def delay(self, attempt: int, rng: random.Random, *, retry_after: float | None = None) -> float:
        """The wait before retry number `attempt` (from 0): doubling, capped, between half and all of it.

        A server's Retry-After is honoured up to `longest_retry_after`, and never undercut by the jitter.
        """
        full = min(self.longest, self.first * 2.0 ** min(attempt, 30))
        jittered = full * (0.5 + 0.5 * rng.random())
        if retry_after is None:
            return jittered
        return max(jittered, min(retry_after, self.longest_retry_after))


@dataclass(frozen=True, slots=True)
class _Setback:
    """An attempt that failed in a way that a later attempt may not."""

    reason: str
    message: str
    retry_after: float | None = None
    unreachable: bool = False


class JsonClient:
    """Asks one server, at most `max_in_flight` calls at a time; opens its connections on the first call.

    `base_url` is http or https and carries no password. Redirects are refused, so a key goes only where it
    was meant to. Proxies are read from the environment for hosts other than this machine; netrc never is.
    """

    def __init__(
        self,
        *,
        base_url: str,
        api_key: str | None,
        timeout_s: float,
        max_in_flight: int,
        backoff: Backoff,
        rng: random.Random,
    ) -> None:
        self.base_url = _checked_url(base_url)
        self._key = _checked_key(api_key)
        self._timeout_s = timeout_s
        self._max_in_flight = max_in_flight
        self._backoff = backoff
        self._rng = rng
        self._session: aiohttp.ClientSession | None = None
        self._gate = asyncio.Semaphore(max_in_flight)

    def __repr__(self) -> str:
        return f"JsonClient({str(self.base_url)!r}, key={'set' if self._key else 'none'})"

    async def get(self, path: str, *, retries: int | None = None) -> Mapping[str, object]:
        """The JSON object at `path` below the base URL."""
        return await self._ask("GET", path, retries=retries)

    async def post(self, path: str, body: Mapping[str, object]) -> Mapping[str, object]:
        """The JSON object that the server answers to `body`."""
        return await self._ask("POST", path, body=body)

    async def close(self) -> None:
        """Close the connections; a later call opens new ones, in whichever event loop it runs."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def _ask(
        self,
        method: Literal["GET", "POST"],
        path: str,
        *,
        body: Mapping[str, object] | None = None,
        retries: int | None = None,
    ) -> Mapping[str, object]:
        """The one retry loop; a call that waits keeps its place, so a struggling server is not pushed."""
        session, url = self._open(), self.base_url / path
        last = self._backoff.retries if retries is None else retries
        async with self._gate:
            attempt = 0
            while True:
                outcome = await self._attempt(session, method, url=url, body=body)
                if not isinstance(outcome, _Setback):
                    return outcome
                if attempt >= last:
                    raise _given_up(outcome, attempts=attempt + 1)
                wait = self._backoff.delay(attempt, self._rng, retry_after=outcome.retry_after)
                await asyncio.sleep(wait)
                attempt += 1

    async def _attempt(
        self,
        session: aiohttp.ClientSession,
        method: Literal["GET", "POST"],
        *,
        url: URL,
        body: Mapping[str, object] | None,
    ) -> Mapping[str, object] | _Setback:
        try:
            async with session.request(method, url, json=body, allow_redirects=False) as response:
                content = await response.read()
        except TimeoutError:
            return _Setback("timeout", f"{url} did not answer within {self._timeout_s:g} s")
        except aiohttp.ClientConnectorCertificateError as error:
            raise EngineUnavailable(f"the certificate of {url.host} is not trusted: {error}") from error
        except aiohttp.ClientConnectorError as error:
            return _Setback("connection", f"cannot connect to {url}: {error.strerror}", unreachable=True)
        except (aiohttp.ClientError, ConnectionError) as error:
            return _Setback("connection", f"the connection to {url} broke: {type(error).__name__}")
        if response.status == 200:
            return self._json_object(content)
        return self._failure(response, content)

    def _json_object(self, content: bytes) -> Mapping[str, object]:
        found = _decoded(content)
        if not isinstance(found, dict):
            raise CallError("invalid_json", f"the answer is not a JSON object: {self._shown(content)}")
        if found.get("error"):
            raise CallError("server_error", f"the server answered 200 and says: {self._error_text(content)}")
        return found

    def _failure(self, response: aiohttp.ClientResponse, content: bytes) -> _Setback:
        """What a status other than 200 means: worth another attempt, a bad row, or the end of the run."""
        status, says = response.status, self._error_text(content)
        where = f"{response.url} answered {status}"
        if status in {401, 403}:
            raise EngineUnavailable(f"{where}: the API key was not accepted. Check the key's variable.")
        if status in {404, 405, 501}:
            raise EngineUnavailable(
                f"{where}: {says}. Check the base URL (most end in /v1) and the model's name."
            )
        if 300 <= status < 400:
            raise EngineUnavailable(
                f"{where}: redirects are not followed. Give the final address as base URL."
            )
        if "insufficient_quota" in says:
            raise EngineUnavailable(f"{where}: {says}")
        if status in _RETRIED:
            reason = "rate_limited" if status == 429 else "server_error"
            return _Setback(reason, f"{where}: {says}", retry_after=_retry_after(response))
        if status == 413 or _TOO_LONG.search(says):
            raise CallError("too_long", f"{where}: {says}")
        if _REFUSED_FIELD.search(says):
            raise EngineUnavailable(f"{where}, refusing a field of the request: {says}")
        raise CallError("bad_request", f"{where}: {says}")

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None or self._session.closed:
            key = self._key.get_secret_value() if self._key else None
            self._gate = asyncio.Semaphore(self._max_in_flight)
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=self._max_in_flight),
                timeout=aiohttp.ClientTimeout(total=self._timeout_s),
                headers={"Authorization": f"Bearer {key}"} if key else None,
                proxy=_proxy(self.base_url),
            )
        return self._session

    def _error_text(self, content: bytes) -> str:
        """The message of an OpenAI-style error body, its code with it; else the start of whatever came."""
        found = _decoded(content)
        error = found.get("error", found) if isinstance(found, dict) else None
        if not isinstance(error, dict):
            return self._shown(content)
        parts = [error.get(name) for name in ("message", "detail", "type", "code")]
        return self._shown(" ".join(str(part) for part in parts if part).encode("utf-8", errors="replace"))

    def _shown(self, content: bytes) -> str:
        """The start of the server's words, the key taken out first: a cut must not leave half of it."""
        text = content.decode("utf-8", errors="replace")
        if self._key:
            text = text.replace(self._key.get_secret_value(), "[key]")
        return " ".join(text[:_SHOWN].split()) or "(nothing)"


def _given_up(setback: _Setback, *, attempts: int) -> CallError | EngineUnavailable:
    message = f"{setback.message} (attempts: {attempts})"
    if setback.unreachable:
        return EngineUnavailable(f"{message}. Is the server running, and is the base URL its own?")
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


def _decoded(content: bytes) -> object:
    """The JSON value, or None for what is not JSON."""
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        return None


def _retry_after(response: aiohttp.ClientResponse) -> float | None:
    """Retry-After in seconds; its other form, a date, is rare and counts as absent."""
    try:
        return max(0.0, float(response.headers.get("Retry-After", "")))
    except ValueError:
        return None
