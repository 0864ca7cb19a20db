"""Which rows make pairs: limits are kept, rows are read as often as wanted, memory holds no texts."""

import tracemalloc
from collections.abc import Iterator
from dataclasses import dataclass

from critique.model import Request, Text, Trajectory
from labeling.draw import Candidate, Drawn
from labeling.settings import LabelingSettings
from prompts.message import Message

LONG = "x" * 10_000


@dataclass(frozen=True)
class Stored:
    """Candidates that are made as they are asked for: every second one helpful, each with a long answer."""

    count: int

    def __iter__(self) -> Iterator[Candidate]:
        for number in range(self.count):
            asked = (Message("user", f"Question about {'abcdefghij'[number % 10] * 3}"),)
            kind = "helpful" if number % 2 else "red_team"
            request = Request(f"r{number}", kind, asked)
            yield Candidate(Trajectory(request, Text(LONG, False, 1)), Text(f"{number}{LONG}", False, 1))


ALL = LabelingSettings(
    pairs=("samples", "revision", "hard_negative"), limits={"samples": 5, "hard_negative": 7}
)


def test_as_many_are_drawn_of_each_source_as_its_limit_says() -> None:
    drawn = Drawn(Stored(100), ALL, seed=1)
    made = [source for row in drawn for source in row.pairs]
    assert {source: made.count(source) for source in ALL.pairs} == {
        "samples": 5,
        "revision": 50,
        "hard_negative": 7,
    }
    assert len(drawn) == len(list(drawn)) == 57


def test_going_through_the_rows_again_gives_the_same_ones() -> None:
    drawn = Drawn(Stored(60), ALL, seed=1)
    first = list(drawn)
    assert list(drawn) == first
    assert list(Drawn(Stored(60), ALL, seed=1)) == first
    assert list(Drawn(Stored(60), ALL, seed=2)) != first


def test_memory_does_not_hold_the_rows() -> None:
    rows = 2000
    tracemalloc.start()
    drawn = Drawn(Stored(rows), ALL, seed=1)
    seen = sum(1 for _ in drawn)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert seen > rows / 2
    assert peak < rows * len(LONG) / 10
