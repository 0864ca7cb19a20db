"""The servers behind one engine: which of them a call goes to, and what all engines know of each.

A sticky key comes in (the start of what a row asks about), an `Endpoint` goes out: the same key goes to the
same server, so that the prefix that it has already computed serves again (rendezvous hashing, Thaler and
Ravishankar 1998; bounded loads, Mirrokni et al. 2018). A server that is down is left out for a while.
"""

import asyncio
import hashlib
import math
from collections.abc import MutableMapping, Sequence
from dataclasses import dataclass
from weakref import WeakKeyDictionary

from yarl import URL

from engine.window import Window

LEFT_OUT_S = 30.0
"""Seconds for which a server that is down gets no calls, where another one is up."""

_DOWN_AFTER = 3
"""Failures in a row, of a server that can be reached, that count as being down."""
_OVERLOAD = 1.25
_NEVER_TOO_MANY = 8
"""A server goes without its share of keys when it has 25 % more calls than the mean, and more than these."""


@dataclass(slots=True)
class Endpoint:
    """One server, as every engine of this process in this event loop sees it."""

    url: URL
    window: Window
    failures: int = 0
    out_until: float = 0.0

    def answered(self) -> None:
        self.failures, self.out_until = 0, 0.0
        self.window.grow()

    def failed(self, *, unreachable: bool, busy: bool) -> None:
        """One attempt failed. A server that is `busy` (429) is up: its window takes care of it."""
        self.failures += 0 if busy else 1
        if unreachable or self.failures >= _DOWN_AFTER:
            self.out_until = asyncio.get_running_loop().time() + LEFT_OUT_S


_known: MutableMapping[asyncio.AbstractEventLoop, dict[URL, Endpoint]] = WeakKeyDictionary()
"""By event loop, since a window wakes tasks of its own loop only; a process usually has one."""


def shared_endpoint(url: URL, max_in_flight: int) -> Endpoint:
    """The endpoint of this address in the running event loop, one for all engines that ask there.

    Together they have at most the largest `max_in_flight` among them on their way.
    """
    known = _known.setdefault(asyncio.get_running_loop(), {})
    endpoint = known.setdefault(url, Endpoint(url, Window(max_in_flight)))
    endpoint.window.raise_ceiling(max_in_flight)
    return endpoint


@dataclass(frozen=True, slots=True)
class Endpoints:
    """The servers of one engine: all hold the same model."""

    all: Sequence[Endpoint]

    def choose(self, key: str) -> Endpoint:
        """The key's own server; the next in its order where that one is down or has far too much to do."""
        if len(self.all) == 1:
            return self.all[0]
        order = sorted(self.up() or self.all, key=lambda endpoint: _rank(key, endpoint.url))
        most = self._bound()
        return next((endpoint for endpoint in order if endpoint.window.in_flight < most), order[0])

    def up(self) -> list[Endpoint]:
        now = asyncio.get_running_loop().time()
        return [endpoint for endpoint in self.all if endpoint.out_until <= now]

    def _bound(self) -> int:
        calls = 1 + sum(endpoint.window.in_flight for endpoint in self.all)
        return max(_NEVER_TOO_MANY, math.ceil(_OVERLOAD * calls / len(self.all)))


def _rank(key: str, url: URL) -> bytes:
    return hashlib.blake2b(f"{url}\n{key}".encode("utf-8", "surrogatepass"), digest_size=8).digest()
