"""How long a call waits before it is asked again: doubling, jittered, capped, never against Retry-After.

What comes in is the number of attempts so far and, where the server said when to come back, its headers; what
goes out are seconds. `engine.http` sleeps them; nothing here reads a clock or draws from a shared generator.
"""

import math
import random
import time
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime


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


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds until the server wants to be asked again; None where it does not say.

    A date counts from the server's own `Date` where it sends one, so that clocks need not agree.
    """
    value = headers.get("Retry-After", "").strip()
    try:
        seconds = float(value)
    except ValueError:
        return _until(value, headers.get("Date", ""))
    return max(0.0, seconds) if math.isfinite(seconds) else None


def _until(value: str, sent: str) -> float | None:
    then = _timestamp(value)
    if then is None:
        return None
    now = _timestamp(sent)
    return max(0.0, then - (time.time() if now is None else now))


def _timestamp(date: str) -> float | None:
    try:
        return parsedate_to_datetime(date).timestamp()
    except (ValueError, OverflowError):
        return None
