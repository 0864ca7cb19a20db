"""The back-off of the one retry loop, in numbers; the loop itself is tried in test_engine_faults.py."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.backoff import Backoff, retry_after


class Largest(random.Random):
    def random(self) -> float:
        return 1.0


def test_waits_double_up_to_the_longest() -> None:
    waits = [Backoff().delay(attempt, Largest()) for attempt in range(7)]
    assert waits == [0.5, 1.0, 2.0, 4.0, 8.0, 8.0, 8.0]


@given(st.integers(0, 10_000), st.integers(0, 1000))
def test_jitter_keeps_each_wait_between_half_and_all_of_it(attempt: int, seed: int) -> None:
    full = min(8.0, 0.5 * 2.0 ** min(attempt, 30))
    assert full / 2 <= Backoff().delay(attempt, random.Random(seed)) <= full


def test_the_same_seed_waits_the_same() -> None:
    first, second = random.Random(4), random.Random(4)
    backoff = Backoff()
    assert [backoff.delay(n, first) for n in range(5)] == [backoff.delay(n, second) for n in range(5)]


@pytest.mark.parametrize(("asked", "waited"), [(30.0, 30.0), (120.0, 120.0), (9999.0, 120.0)])
def test_retry_after_is_honoured_up_to_two_minutes(asked: float, waited: float) -> None:
    assert Backoff().delay(0, random.Random(0), retry_after=asked) == waited


def test_a_retry_after_of_nothing_still_backs_off() -> None:
    assert Backoff().delay(3, random.Random(0), retry_after=0.0) >= 2.0


SENT = "Sun, 22 Nov 2026 10:00:00 GMT"


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("7", 7.0),
        (" 1.5 ", 1.5),
        ("-3", 0.0),
        ("Sun, 22 Nov 2026 10:01:30 GMT", 90.0),
        ("Sun, 22 Nov 2026 09:00:00 GMT", 0.0),
        ("", None),
        ("soon", None),
        ("nan", None),
        ("1e999", None),
        ("Sun, 99 Nov 2026 10:00:00 GMT", None),
    ],
)
def test_retry_after_is_read_as_seconds_or_as_a_date(value: str, seconds: float | None) -> None:
    assert retry_after({"Retry-After": value, "Date": SENT}) == seconds


def test_a_date_without_the_servers_own_clock_is_held_against_this_one() -> None:
    assert retry_after({"Retry-After": "Fri, 01 Jan 2100 00:00:00 GMT"}) > 1e9  # type: ignore[operator]
    assert retry_after({}) is None
