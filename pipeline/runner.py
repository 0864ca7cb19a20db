"""Runs one row program over many rows: streaming, bounded, in order, and a bad row is data.

Rows are pulled as there is room for them, from an iterator or an async one; at most `open_rows` are open at
once, so that engines stay full while memory stays bounded however many rows there are. Outcomes go out in the
rows' order. A call that failed for good fails its row only, with its reason; an engine that cannot answer at
all stops the run; a stop that was asked for waits for the calls in flight.
"""

import asyncio
import hashlib
from collections import deque
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

from engine.protocol import CallError
from pipeline.context import Context, RowContext
from pipeline.gate import StoppedError
from pipeline.index import Index

OPEN_ROWS = 512
"""Rows open at once unless told otherwise: several batches of any engine."""

READ_AHEAD = 4
"""Rows that are open, or done and waiting for a slow one before them: so many times the open ones."""


class HasId(Protocol):
    @property
    def id(self) -> str: ...


Row = TypeVar("Row", bound=HasId)
Record = TypeVar("Record")
Program = Callable[[Row, RowContext], Awaitable[Record]]
Rows = Iterable[Row] | AsyncIterable[Row]


class RowsError(Exception):
    """The rows cannot be run as they are; the message says which and what to do next."""


@dataclass(frozen=True, slots=True)
class Outcome(Generic[Record]):
    """What became of a row: its record, or why there is none."""

    row_id: str
    record: Record | None = None
    reason: str = ""
    message: str = ""


async def run_rows(
    program: Program[Row, Record],
    rows: Rows[Row],
    context: Context,
    *,
    open_rows: int = OPEN_ROWS,
    on_done: Callable[[], None] = lambda: None,
) -> AsyncIterator[Outcome[Record]]:
    """Exactly one outcome per row, in order; `on_done` is called as each row finishes, in any order.

    Raises:
        RowsError: two rows have one id; raised after the rows before the second one are out.
        StoppedError: `context.stop` was asked; the calls that were in flight are in the journal.
        EngineUnavailable, JournalError: as soon as one row meets it; the open rows are cancelled.
    """
    run = _Run(program, context, on_done, asyncio.Semaphore(open_rows))
    room = asyncio.Semaphore(READ_AHEAD * open_rows)
    feeder = asyncio.create_task(run.feed(rows, room))
    feeder.add_done_callback(lambda _: run.changed.set())
    try:
        while run.window or not feeder.done():
            while run.window and run.window[0].done():
                outcome = await run.settled(run.window.popleft())
                room.release()
                yield outcome
            if run.failure is not None:
                raise run.failure
            if run.window or not feeder.done():
                run.changed.clear()
                await run.changed.wait()
        feeder.result()
        if context.stop.asked:
            raise StoppedError("stopped before the last row")
    finally:
        tasks = [feeder, *run.window]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@dataclass(slots=True)
class _Run(Generic[Row, Record]):
    """The rows that are open or wait to go out, oldest first."""

    program: Program[Row, Record]
    context: Context
    on_done: Callable[[], None]
    free: asyncio.Semaphore
    window: deque[asyncio.Task[Outcome[Record]]] = field(default_factory=deque)
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    failure: BaseException | None = None

    async def feed(self, rows: Rows[Row], room: asyncio.Semaphore) -> None:
        """Pull a row whenever one more may be open."""
        source, ids, number = _pulled(rows), Index(), 0
        while True:
            await room.acquire()
            await self.free.acquire()
            row = None if self.context.stop.asked else await anext(source, None)
            if row is None:
                return
            _require_new(row.id, ids, number)
            task = asyncio.create_task(self._row(row, number))
            task.add_done_callback(self._finished)
            self.window.append(task)
            number += 1

    async def settled(self, task: asyncio.Task[Outcome[Record]]) -> Outcome[Record]:
        """The oldest row's outcome; where it was stopped, once all calls in flight have ended."""
        if isinstance(task.exception(), StoppedError):
            await asyncio.gather(*self.window, return_exceptions=True)
        return task.result()

    async def _row(self, row: Row, number: int) -> Outcome[Record]:
        try:
            outcome = Outcome(row.id, await self.program(row, self.context.row(row.id, number)))
        except CallError as error:
            outcome = Outcome(row.id, reason=error.reason, message=str(error))
        self.on_done()
        return outcome

    def _finished(self, task: asyncio.Task[Outcome[Record]]) -> None:
        self.free.release()
        if not task.cancelled():
            error = task.exception()
            if error is not None and not isinstance(error, StoppedError):
                self.failure = self.failure or error
        self.changed.set()


async def collect(outcomes: AsyncIterator[Outcome[Record]]) -> list[Outcome[Record]]:
    """All outcomes at once, for a few rows."""
    return [outcome async for outcome in outcomes]


async def _pulled(rows: Rows[Row]) -> AsyncIterator[Row]:
    if isinstance(rows, AsyncIterable):
        async for row in rows:
            yield row
    else:
        for row in rows:
            yield row


def _require_new(row_id: str, ids: Index, number: int) -> None:
    """Sixteen bytes a row: a set of a million names would take as much memory as all the rest."""
    digest = hashlib.sha256(row_id.encode(errors="surrogatepass")).digest()[:16]
    first = next(ids.candidates(digest), None)
    if first is not None:
        raise RowsError(
            f"rows {first + 1} and {number + 1} have the same id, `{row_id}`\n"
            "  next: give each row an id of its own"
        )
    ids.add(digest, number)
