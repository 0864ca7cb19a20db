"""How many calls are on their way to an engine at once, which goes next, and how all of that is stopped.

A `Gate` lets a bounded number in, the one with the smallest priority first: the context gives later rounds of
a row smaller ones than first rounds, so that rows finish and their prefixes stay cached. A `Stop` shuts every
gate: what is inside comes to its end and is kept, nothing goes in any more.
"""

import asyncio
import heapq
from collections.abc import Callable
from dataclasses import dataclass, field

Priority = tuple[int, int]


class StoppedError(Exception):
    """The run was asked to stop, and this call was not made; every answer so far is kept."""


@dataclass(slots=True)
class Stop:
    """A request to stop, made once, in the event loop's thread: from a signal handler, or before it runs."""

    asked: bool = False
    _listeners: list[Callable[[], object]] = field(default_factory=list, repr=False)

    def ask(self) -> None:
        """Begin nothing new from now on."""
        self.asked = True
        for listener in self._listeners:
            listener()

    def then(self, listener: Callable[[], object]) -> None:
        """Call it when a stop is asked for, or at once where it was."""
        self._listeners.append(listener)
        if self.asked:
            listener()


class Gate:
    """At most `limit` inside; those who wait go in by priority, smallest first, equals in their order."""

    def __init__(self, limit: int) -> None:
        self._free = limit
        self._shut = False
        self._waiting: list[tuple[Priority, int, asyncio.Future[None]]] = []
        self._arrivals = 0

    async def enter(self, priority: Priority) -> None:
        """Wait for a place. Whoever is in must `leave`.

        Raises:
            StoppedError: the gate is shut.
        """
        if self._shut:
            raise StoppedError("stopped before this call was made")
        if self._free > 0:
            self._free -= 1
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._waiting, (priority, self._arrivals, turn))
        self._arrivals += 1
        try:
            await turn
        except asyncio.CancelledError:
            # The place may have been given in the same moment; somebody else must have it then.
            if turn.done() and not turn.cancelled() and turn.exception() is None:
                self.leave()
            raise

    def leave(self) -> None:
        """Give the place to the next."""
        while self._waiting:
            turn = heapq.heappop(self._waiting)[2]
            if not turn.done():
                turn.set_result(None)
                return
        self._free += 1

    def shut(self) -> None:
        """Let nobody in any more, those who wait neither. May come between any two steps of the others."""
        self._shut = True
        for _, _, turn in self._waiting:
            if not turn.done():
                turn.set_exception(StoppedError("stopped before this call was made"))
