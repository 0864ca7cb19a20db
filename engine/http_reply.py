"""What an HTTP answer means: a JSON object, a setback worth another try, a bad row, or the end of the run.

Status, headers and body come in from `engine.http`; what goes out is the decoded object or a `Setback`, or
`CallError` and `EngineUnavailable` are raised. Every word of a server that is shown passes `Redacted.shown`,
which takes the API key out first.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import SecretStr
from yarl import URL

from engine.backoff import retry_after
from engine.protocol import CallError, EngineUnavailable

_RETRIED = frozenset({429, 500, 502, 503, 504})
_TOO_MUCH = frozenset({429, 503})
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


class Rejected(EngineUnavailable):
    """The server will have no such request, whatever the row: a wrong key, address, method or field."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True, slots=True)
class Setback:
    """An attempt that failed in a way that a later attempt may not.

    `too_much` asks for fewer calls at once; `unreachable` says that no connection came about at all.
    """

    reason: str
    message: str
    retry_after: float | None = None
    too_much: bool = False
    unreachable: bool = False


@dataclass(frozen=True, slots=True)
class Redacted:
    """Reads answers of a server that knows the key, and shows none of it."""

    key: SecretStr | None

    def json_object(self, content: bytes) -> Mapping[str, object]:
        """The object of an answer with status 200."""
        found = _decoded(content)
        if not isinstance(found, dict):
            raise CallError("invalid_json", f"the answer is not a JSON object: {self.shown(content)}")
        if found.get("error"):
            raise CallError("server_error", f"the server answered 200 and says: {self._error_text(content)}")
        return found

    def failure(self, url: URL, status: int, *, headers: Mapping[str, str], content: bytes) -> Setback:
        """What a status other than 200 means; all that is not worth another attempt is raised."""
        says = self._error_text(content)
        where = f"{url} answered {status}"
        if status in _RETRIED and "insufficient_quota" not in says:
            reason = "rate_limited" if status == 429 else "server_error"
            again = retry_after(headers)
            return Setback(reason, f"{where}: {says}", retry_after=again, too_much=status in _TOO_MUCH)
        advice = _advice(status, says)
        if advice is not None:
            raise Rejected(status, f"{where}{advice}")
        too_long = status == 413 or _TOO_LONG.search(says)
        raise CallError("too_long" if too_long else "bad_request", f"{where}: {says}")

    def shown(self, content: bytes) -> str:
        """The start of the server's words, the key taken out first: a cut must not leave half of it."""
        text = content.decode("utf-8", errors="replace")
        if self.key:
            text = text.replace(self.key.get_secret_value(), "[key]")
        return " ".join(text[:_SHOWN].split()) or "(nothing)"

    def _error_text(self, content: bytes) -> str:
        """The message of an OpenAI-style error body, its code with it; else the start of whatever came."""
        found = _decoded(content)
        error = found.get("error", found) if isinstance(found, dict) else None
        if not isinstance(error, dict):
            return self.shown(content)
        parts = [error.get(name) for name in ("message", "detail", "type", "code")]
        return self.shown(" ".join(str(part) for part in parts if part).encode("utf-8", errors="replace"))


def _advice(status: int, says: str) -> str | None:
    """What a refusal that meets every row says, and what to do; None where it may be this row's fault."""
    if status in {401, 403}:
        return ": the API key was not accepted. Check the key's variable."
    if status in {404, 405, 501}:
        return f": {says}. Check the base URL (most end in /v1) and the model's name."
    if 300 <= status < 400:
        return ": redirects are not followed. Give the final address as base URL."
    if "insufficient_quota" in says:
        return f": {says}"
    if status != 413 and not _TOO_LONG.search(says) and _REFUSED_FIELD.search(says):
        return f", refusing a field of the request: {says}"
    return None


def _decoded(content: bytes) -> object:
    """The JSON value, or None for what is not JSON."""
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        return None
