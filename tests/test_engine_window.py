"""The window of calls in flight: additive up, multiplicative down, places in order, none lost."""

import asyncio

import pytest

from engine.window import Window


async def entered(window: Window, count: int) -> list[int]:
    return [await window.enter() for _ in range(count)]


async def test_a_cut_halves_what_is_in_flight_once_for_all_calls_that_were_sent_together() -> None:
    window = Window(16)
    places = await entered(window, 16)
    for place in places:
        window.cut(place)
    assert window.limit == 8
    for _ in range(16):
        window.leave()
    later = await window.enter()
    window.cut(later)
    assert window.limit == 1, "half of one call in flight, and never less than one"


async def test_a_window_of_answers_lifts_the_limit_by_one_and_never_over_the_ceiling() -> None:
    window = Window(5)
    for place in await entered(window, 4):
        window.cut(place)
    assert window.limit == 2
    for _ in range(3):
        window.grow()
    assert window.limit == 3, "2 + 1/2 + 1/2.5 + 1/2.9 = 3.24"
    for _ in range(100):
        window.grow()
    assert window.limit == 5


async def test_who_waits_gets_a_place_in_turn_and_who_had_one_goes_ahead() -> None:
    window, order = Window(1), list[str]()

    async def wait(name: str, *, ahead: bool = False) -> None:
        await window.enter(ahead=ahead)
        order.append(name)
        window.leave()

    await window.enter()
    tasks = [asyncio.create_task(wait(name, ahead=name == "again")) for name in ("first", "second", "again")]
    await asyncio.sleep(0)
    window.leave()
    await asyncio.gather(*tasks)
    assert order == ["again", "first", "second"]
    assert window.in_flight == 0


@pytest.mark.parametrize("handed_over", [False, True])
async def test_a_call_that_is_cancelled_while_it_waits_loses_no_place(handed_over: bool) -> None:
    window = Window(1)
    await window.enter()
    waiting = asyncio.create_task(window.enter())
    await asyncio.sleep(0)
    if handed_over:
        window.leave()
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    if not handed_over:
        window.leave()
    assert window.in_flight == 0
    await asyncio.wait_for(window.enter(), 5)


async def test_after_a_cut_nobody_enters_until_enough_have_left() -> None:
    window = Window(4)
    places = await entered(window, 4)
    window.cut(places[0])
    waiting = asyncio.create_task(window.enter())
    for left in range(3):
        await asyncio.sleep(0)
        assert not waiting.done(), f"{4 - left} are in flight, the limit is 2"
        window.leave()
    await asyncio.wait_for(waiting, 5)
    assert window.in_flight == 2


async def test_a_second_engine_may_raise_the_ceiling() -> None:
    window = Window(2)
    window.raise_ceiling(6)
    assert (window.limit, window.ceiling) == (6, 6)
    window.raise_ceiling(3)
    assert window.ceiling == 6
