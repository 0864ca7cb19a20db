"""How many calls one server gets at once: it follows what the server can take.

The limit grows by about one for each round of answers and is halved when the server says that it is too much
(429, 503, a time-out): additive increase, multiplicative decrease, as TCP does (Chiu and Jain 1989). Calls
come in and wait for a place; nothing else happens here.
"""

import asyncio
from collections import deque


class Window:
    """Places for calls in flight; the limit moves between 1 and `ceiling` and starts at the ceiling."""

    def __init__(self, ceiling: int) -> None:
        self.ceiling = ceiling
        self.in_flight = 0
        self._limit = float(ceiling)
        self._cuts = 0
        self._waiting: deque[asyncio.Future[None]] = deque()

    @property
    def limit(self) -> int:
        return int(self._limit)

    def raise_ceiling(self, ceiling: int) -> None:
        """Allow more, for a second engine that may ask more; a limit that was never cut goes along."""
        if self._limit == self.ceiling < ceiling:
            self._limit = float(ceiling)
        self.ceiling = max(self.ceiling, ceiling)

    async def enter(self, *, ahead: bool = False) -> int:
        """Wait for a place; `ahead` of all who wait, for a call that had one before.

        Returns how often the limit had been cut when the place was given: `cut` asks for it.
        """
        if self.in_flight < self.limit and not self._waiting:
            self.in_flight += 1
        else:
            await self._wait(ahead=ahead)
        return self._cuts

    def leave(self) -> None:
        self.in_flight -= 1
        while self._waiting and self.in_flight < self.limit:
            place = self._waiting.popleft()
            if not place.done():
                self.in_flight += 1
                place.set_result(None)

    def grow(self) -> None:
        """One call was answered: a whole window of them lifts the limit by one."""
        self._limit = min(float(self.ceiling), self._limit + 1.0 / self._limit)

    def cut(self, entered: int) -> None:
        """The server had too much. Of the calls that were in flight together only the first one cuts."""
        if entered == self._cuts:
            self._cuts += 1
            self._limit = max(1.0, min(self._limit, self.in_flight) / 2.0)

    async def _wait(self, *, ahead: bool) -> None:
        place = asyncio.get_running_loop().create_future()
        (self._waiting.appendleft if ahead else self._waiting.append)(place)
        try:
            await place
        except asyncio.CancelledError:
            if place.cancelled():
                self._waiting.remove(place)
            else:
                self.leave()
            raise
