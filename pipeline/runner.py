"""Runs one row program over many rows: bounded, in order, and a bad row is data.

Rows come in as they are read; at most `open_rows` are open at once, so that engines stay full while memory
stays bounded. Outcomes go out in the rows' order. A call that failed for good fails its row only, with its
reason; an engine that cannot answer at all stops the run.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from engine.protocol import CallError
from pipeline.context import Context, RowContext

OPEN_ROWS = 512
"""Rows open at once unless told otherwise: several batches of any engine."""


class HasId(Protocol):
    @property
    def id(self) -> str: ...


Row = TypeVar("Row", bound=HasId)
Record = TypeVar("Record")
Program = Callable[[Row, RowContext], Awaitable[Record]]


@dataclass(frozen=True, slots=True)
class Outcome(Generic[Record]):
    """What became of a row: its record, or why there is none."""

    row_id: str
    record: Record | None = None
    reason: str = ""
    message: str = ""


async def run_rows(
    program: Program[Row, Record],
    rows: Iterable[Row],
    context: Context,
    *,
    open_rows: int = OPEN_ROWS,
    on_done: Callable[[], None] = lambda: None,
) -> AsyncIterator[Outcome[Record]]:
    """Exactly one outcome per row, in order; `on_done` is called as each row finishes, in any order."""

    async def run(row: Row) -> Outcome[Record]:
        try:
            outcome = Outcome(row.id, await program(row, context.row(row.id)))
        except CallError as error:
            outcome = Outcome(row.id, reason=error.reason, message=str(error))
        on_done()
        return outcome

    window: deque[asyncio.Task[Outcome[Record]]] = deque()
    try:
        for row in rows:
            if len(window) >= open_rows:
                yield await window.popleft()
            window.append(asyncio.create_task(run(row)))
        while window:
            yield await window.popleft()
    finally:
        for task in window:
            task.cancel()
        await asyncio.gather(*window, return_exceptions=True)


async def collect(outcomes: AsyncIterator[Outcome[Record]]) -> list[Outcome[Record]]:
    return [outcome async for outcome in outcomes]
