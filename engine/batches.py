"""Calls that come one at a time, gathered into batches for a model in this process.

Requests wait a moment for others, are put in the order that suits their model, and as many as fit go through
it in a thread of their own, so that the event loop stays free.
"""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Generic, Protocol, TypeVar

GATHER_S = 0.01
"""How long a first request waits for others to join its batch; short beside any forward pass."""


class Waiting(Protocol):
    """One waiting call. `room` is what it may take in a batch, in tokens."""

    @property
    def room(self) -> int: ...

    @property
    def answer(self) -> "asyncio.Future[Any]": ...


Asked = TypeVar("Asked", bound=Waiting)


class Batches(Generic[Asked]):
    """Gathers requests; `run` answers a batch of them, `order` says which go together with the first one.

    A batch has at most `size` requests and `tokens` tokens, padding included. What `run` gives back for a
    request is its answer, an exception where it failed; one that it raises is that of all.
    """

    def __init__(
        self,
        run: Callable[[Sequence[Asked]], list[Any]],
        *,
        order: Callable[[Sequence[Asked]], list[Asked]],
        size: int,
        tokens: int,
    ) -> None:
        self._run, self._order = run, order
        self._size, self._tokens = size, tokens
        self._waiting: list[Asked] = []
        self._worker: asyncio.Task[None] | None = None
        # One thread for good: each thread that computes gets a pool of OpenMP threads of its own.
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="engine")

    async def ask(self, request: Asked) -> Any:
        """The request's answer, once its batch has gone through."""
        self._waiting.append(request)
        if self._worker is None or self._worker.done():
            self._worker = asyncio.create_task(self._work())
        return await request.answer

    def close(self) -> None:
        if self._worker is not None:
            self._worker.cancel()
        self._thread.shutdown(wait=False, cancel_futures=True)

    async def _work(self) -> None:
        while self._waiting:
            await asyncio.sleep(GATHER_S)
            batch = self._next()
            if not batch:
                return
            try:
                answers = await asyncio.get_running_loop().run_in_executor(self._thread, self._run, batch)
            except Exception as error:  # whatever it is, those who wait must hear of it
                answers = [error] * len(batch)
            for request, answer in zip(batch, answers, strict=True):
                _settle(request.answer, answer)

    def _next(self) -> list[Asked]:
        """As many as fit, from the start of the order."""
        self._waiting = [request for request in self._waiting if not request.answer.done()]  # cancelled ones
        if not self._waiting:
            return []
        batch: list[Asked] = []
        longest = 0
        for request in self._order(self._waiting)[: self._size]:
            longest = max(longest, request.room)
            if batch and longest * (len(batch) + 1) > self._tokens:
                break
            batch.append(request)
        taken = {id(request) for request in batch}
        self._waiting = [request for request in self._waiting if id(request) not in taken]
        return batch


def _settle(future: "asyncio.Future[Any]", answer: object) -> None:
    if future.done():  # its row was cancelled while the batch ran
        return
    if isinstance(answer, Exception):
        future.set_exception(answer)
    else:
        future.set_result(answer)
