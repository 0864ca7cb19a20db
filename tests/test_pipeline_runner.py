"""The runner: one outcome per row, in order, bounded; a bad row is data and a lost engine is the end."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from engine.protocol import CallError, Completion, EngineUnavailable, Sampling
from engine.scripted import ScriptedEngine
from pipeline.context import Context, RowContext
from pipeline.gate import Stop, StoppedError
from pipeline.journal import Journal
from pipeline.runner import READ_AHEAD, Outcome, RowsError, collect, run_rows
from prompts.message import Message, Prompt


@dataclass(frozen=True)
class Item:
    id: str
    number: int


ITEMS = [Item(f"r{number}", number) for number in range(10)]


@pytest.fixture
def context(tmp_path: Path) -> Iterator[Context]:
    with Journal(tmp_path / "journal") as journal:
        yield Context({"judge": ScriptedEngine("ok")}, journal, 0)


async def backwards(item: Item, context: RowContext) -> int:
    """Later rows finish first."""
    for _ in range(len(ITEMS) - item.number):
        await asyncio.sleep(0)
    return item.number


async def test_outcomes_come_in_the_order_of_the_rows(context: Context) -> None:
    outcomes = await collect(run_rows(backwards, ITEMS, context))
    assert outcomes == [Outcome(f"r{number}", number) for number in range(10)]


async def test_a_row_that_fails_is_data_and_the_others_go_on(context: Context) -> None:
    async def program(item: Item, context: RowContext) -> int:
        if item.number == 3:
            raise CallError("too_long", "9000 tokens do not fit")
        return item.number

    outcomes = await collect(run_rows(program, ITEMS, context))
    assert outcomes[3] == Outcome("r3", None, "too_long", "9000 tokens do not fit")
    assert [outcome.record for outcome in outcomes] == [0, 1, 2, None, 4, 5, 6, 7, 8, 9]


@pytest.mark.parametrize("open_rows", [1, 3])
async def test_no_more_rows_are_open_or_read_ahead_than_allowed(context: Context, open_rows: int) -> None:
    open_now: set[str] = set()
    most, read = 0, 0

    def rows() -> Iterator[Item]:
        nonlocal read
        for item in ITEMS:
            read += 1
            yield item

    async def program(item: Item, context: RowContext) -> int:
        nonlocal most
        open_now.add(item.id)
        most = max(most, len(open_now))
        await asyncio.sleep(0)
        open_now.remove(item.id)
        return item.number

    seen = 0
    async for outcome in run_rows(program, rows(), context, open_rows=open_rows):
        seen += 1
        assert outcome.record == seen - 1
        assert read <= seen + READ_AHEAD * open_rows
    assert (seen, most) == (10, open_rows)


async def test_an_engine_that_cannot_answer_ends_the_run_and_the_open_rows(context: Context) -> None:
    cancelled: list[str] = []

    async def program(item: Item, context: RowContext) -> int:
        if item.number == 2:
            raise EngineUnavailable("the server is gone")
        try:
            if item.number > 2:
                await asyncio.sleep(60)
        except asyncio.CancelledError:
            cancelled.append(item.id)
            raise
        return item.number

    seen: list[int | None] = []

    async def see_all() -> None:
        async for outcome in run_rows(program, ITEMS, context, open_rows=5):
            seen.append(outcome.record)  # noqa: PERF401  # what was seen before the error counts

    with pytest.raises(EngineUnavailable, match="the server is gone"):
        await see_all()
    assert seen == [0, 1]
    assert cancelled == ["r3", "r4"], "those that had begun"


async def test_each_row_is_counted_once_when_it_is_done_failed_or_not(context: Context) -> None:
    done = 0

    def count() -> None:
        nonlocal done
        done += 1

    async def program(item: Item, context: RowContext) -> int:
        if item.number % 2:
            raise CallError("timeout", "too slow")
        return item.number

    await collect(run_rows(program, ITEMS, context, on_done=count))
    assert done == len(ITEMS)


async def test_each_row_asks_under_its_own_name(context: Context) -> None:
    async def program(item: Item, context: RowContext) -> tuple[str, int]:
        prompt = Prompt("respond", "hash", messages=(Message("user", "Hi"),))
        await context.chat("judge", prompt, Sampling())
        return context.row_id, len(context.keys)

    outcomes = await collect(run_rows(program, ITEMS, context))
    assert [outcome.record for outcome in outcomes] == [(item.id, 1) for item in ITEMS]
    assert context.tally.asked == len(ITEMS), "each row samples for itself"


async def test_no_rows_give_no_outcomes(context: Context) -> None:
    assert await collect(run_rows(backwards, [], context)) == []


async def test_rows_may_come_from_an_async_iterator_that_is_slower_than_they_are(context: Context) -> None:
    async def rows() -> AsyncIterator[Item]:
        for item in ITEMS:
            for _ in range(20):
                await asyncio.sleep(0)
            yield item

    outcomes = [outcome.record async for outcome in run_rows(backwards, rows(), context)]
    assert outcomes == list(range(10))


async def test_a_slow_row_does_not_keep_the_next_ones_from_being_opened(context: Context) -> None:
    released = asyncio.Event()

    async def program(item: Item, context: RowContext) -> int:
        if item.number == 0:
            await released.wait()
        if item.number == 5:
            released.set()
        return item.number

    outcomes = await collect(run_rows(program, ITEMS, context, open_rows=2))
    assert [outcome.record for outcome in outcomes] == list(range(10))


async def test_an_id_that_comes_twice_is_told_with_both_places(context: Context) -> None:
    seen: list[str] = []

    async def see_all() -> None:
        async for outcome in run_rows(backwards, [*ITEMS, ITEMS[3]], context):
            seen.append(outcome.row_id)  # noqa: PERF401

    with pytest.raises(RowsError, match="rows 4 and 11 have the same id, `r3`"):
        await see_all()
    assert len(seen) == 10


async def test_later_calls_of_a_row_go_before_first_calls_of_newer_rows(tmp_path: Path) -> None:
    order: list[tuple[str, int]] = []

    def answer(prompt: Prompt, sampling: Sampling) -> str:
        name, number = prompt.template.split()
        order.append((name, int(number)))
        return "ok"

    async def program(item: Item, context: RowContext) -> int:
        for number in range(3):
            prompt = Prompt(f"{item.id} {number}", "hash", messages=(Message("user", "Hi"),))
            await context.chat("judge", prompt, Sampling())
        return item.number

    with Journal(tmp_path / "other") as journal:
        context = Context({"judge": ScriptedEngine(answer)}, journal, 0, in_flight={"judge": 1})
        await collect(run_rows(program, ITEMS, context))
    assert order == [(item.id, number) for item in ITEMS for number in range(3)]


class Slow(ScriptedEngine):
    """Three calls are on their way when the stop is asked for; they come to their end later."""

    async def chat(self, prompt: Prompt, sampling: Sampling, *, priority: int = 0) -> Completion:
        completion = await super().chat(prompt, sampling)
        if len(self.calls) == 9:
            self.stop.ask()
        await asyncio.sleep(0.01)
        return completion

    stop = Stop()


async def test_a_stop_keeps_the_answers_in_flight_and_begins_nothing(tmp_path: Path) -> None:
    engine = Slow("ok")
    seen: list[int | None] = []

    async def program(item: Item, context: RowContext) -> int:
        prompt = Prompt("respond", "hash", messages=(Message("user", item.id),))
        for sample in range(2):
            await context.chat("judge", prompt, Sampling(), sample=sample)
        return item.number

    with Journal(tmp_path / "journal") as journal:
        context = Context({"judge": engine}, journal, 0, in_flight={"judge": 3}, stop=engine.stop)
        with pytest.raises(StoppedError):  # noqa: PT012
            async for outcome in run_rows(program, ITEMS, context, open_rows=4):
                seen.append(outcome.record)  # noqa: PERF401
        assert len(journal) == len(engine.calls) == 9
    assert seen == list(range(len(seen)))
    assert len(seen) < 5
