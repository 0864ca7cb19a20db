"""The gate: bounded, smallest priority first, and shut for good after a stop."""

import asyncio

import pytest

from pipeline.gate import Gate, Stop, StoppedError


async def visit(gate: Gate, priority: tuple[int, int], log: list[tuple[int, int]]) -> None:
    await gate.enter(priority)
    log.append(priority)
    await asyncio.sleep(0)
    gate.leave()


async def test_those_who_wait_go_in_by_priority_and_then_by_arrival() -> None:
    gate, log = Gate(1), []
    order = [(0, 0), (-1, 5), (0, 1), (-2, 9), (-1, 3)]
    await asyncio.gather(*(visit(gate, priority, log) for priority in order))
    assert log == [(0, 0), (-2, 9), (-1, 3), (-1, 5), (0, 1)]


async def test_no_more_are_inside_than_the_limit() -> None:
    gate, inside, most = Gate(3), 0, 0

    async def stay() -> None:
        nonlocal inside, most
        await gate.enter((0, 0))
        inside += 1
        most = max(most, inside)
        await asyncio.sleep(0)
        inside -= 1
        gate.leave()

    await asyncio.gather(*(stay() for _ in range(20)))
    assert (most, inside) == (3, 0)


async def test_one_who_stops_waiting_gives_the_place_on() -> None:
    gate, log = Gate(1), []
    await gate.enter((0, 0))
    waiting = [asyncio.create_task(visit(gate, (0, number), log)) for number in range(1, 4)]
    await asyncio.sleep(0)
    gate.leave()
    waiting[0].cancel()  # in the moment in which it was let in
    waiting[1].cancel()  # while it waits
    await asyncio.gather(*waiting, return_exceptions=True)
    assert log == [(0, 3)]


async def test_after_a_stop_nobody_goes_in_and_those_inside_come_out() -> None:
    stop, gate, log = Stop(), Gate(1), []
    stop.then(gate.shut)
    await gate.enter((0, 0))
    waiting = asyncio.create_task(visit(gate, (0, 1), log))
    await asyncio.sleep(0)
    stop.ask()
    gate.leave()
    with pytest.raises(StoppedError):
        await waiting
    with pytest.raises(StoppedError):
        await gate.enter((0, 2))
    assert log == []


async def test_a_stop_that_was_asked_before_shuts_what_comes_later() -> None:
    stop, gate = Stop(), Gate(1)
    stop.ask()
    stop.then(gate.shut)
    with pytest.raises(StoppedError):
        await gate.enter((0, 0))
