"""Several servers: the same key goes to the same one, a server that is down is left out, none drowns."""

import asyncio

from hypothesis import given
from hypothesis import strategies as st
from yarl import URL

from engine.endpoint import Endpoint, Endpoints, shared_endpoint
from engine.window import Window


def endpoints(count: int) -> Endpoints:
    return Endpoints([Endpoint(URL(f"http://host{number}/v1"), Window(64)) for number in range(count)])


KEYS = [f"row {number}" for number in range(300)]


async def test_keys_spread_over_the_servers_and_stay_where_they_are() -> None:
    servers = endpoints(3)
    places = {key: servers.choose(key).url for key in KEYS}
    assert places == {key: servers.choose(key).url for key in KEYS}
    assert all(60 < sum(place == server.url for place in places.values()) < 140 for server in servers.all)


async def test_a_server_that_is_down_gives_its_keys_to_others_and_moves_no_other_key() -> None:
    servers = endpoints(3)
    before = {key: servers.choose(key) for key in KEYS}
    lost = servers.all[1]
    lost.failed(unreachable=True, busy=False)
    after = {key: servers.choose(key) for key in KEYS}
    assert lost not in after.values()
    assert all(after[key] is before[key] for key in KEYS if before[key] is not lost)
    lost.answered()
    assert {key: servers.choose(key) for key in KEYS} == before


async def test_a_server_that_fails_three_times_in_a_row_is_down_and_one_that_is_busy_is_not() -> None:
    failing, busy = endpoints(2).all
    for _ in range(3):
        failing.failed(unreachable=False, busy=False)
        busy.failed(unreachable=False, busy=True)
    assert Endpoints([failing, busy]).up() == [busy]


async def test_where_all_are_down_a_key_goes_to_its_own_server() -> None:
    servers = endpoints(3)
    before = servers.choose("row")
    for server in servers.all:
        server.failed(unreachable=True, busy=False)
    assert servers.choose("row") is before


async def test_one_key_for_all_rows_does_not_drown_one_server() -> None:
    servers = endpoints(4)
    for _ in range(100):
        servers.choose("the same preamble").window.in_flight += 1
    assert max(server.window.in_flight for server in servers.all) <= 32, (
        "1.25 times the mean of 25, rounded up"
    )


@given(st.text(), st.integers(2, 5))
def test_every_key_has_a_server(key: str, count: int) -> None:
    async def chosen() -> bool:
        servers = endpoints(count)
        return servers.choose(key) in servers.all

    assert asyncio.run(chosen())


async def test_engines_of_one_loop_share_an_endpoint_and_its_largest_bound() -> None:
    url = URL("http://shared/v1")
    first = shared_endpoint(url, 4)
    assert shared_endpoint(url, 9) is first
    assert first.window.ceiling == 9


def test_another_event_loop_has_windows_of_its_own() -> None:
    async def endpoint() -> Endpoint:
        return shared_endpoint(URL("http://shared/v1"), 4)

    assert asyncio.run(endpoint()) is not asyncio.run(endpoint())
