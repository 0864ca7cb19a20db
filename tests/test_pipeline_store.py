"""Records to Parquet and back."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from critique.model import Request, Round, Text, Trajectory
from labeling.model import Labelled
from pipeline.store import StoreError, iter_records, read_records, read_rows, write_records
from prompts.message import Message

TRAJECTORY = Trajectory(
    Request("r", "red_team", (Message("user", "{{ 7 }} \u2014 \U0001f600"),), "x", '{"a": 1}'),
    Text("first", True, 3),
    (Round("p", Text("c", False, 1), Text("v", False, 1), examples=("e",)),),
    keys=("k",),
)
HELPFUL = Trajectory(Request("h", "helpful", ()), Text("t", False, 1), samples=(Text("t", False, 1),))


def test_records_come_back_as_they_were(tmp_path: Path) -> None:
    write_records(tmp_path / "t", [TRAJECTORY, HELPFUL], Trajectory)
    assert read_records(tmp_path / "t", Trajectory) == [TRAJECTORY, HELPFUL]


def test_they_come_back_one_after_another(tmp_path: Path) -> None:
    write_records(tmp_path / "t", (HELPFUL for _ in range(3)), Trajectory)
    records: Iterator[Trajectory] = iter_records(tmp_path / "t", Trajectory)
    assert next(records) == HELPFUL
    assert len(list(records)) == 2


def test_a_folder_that_is_written_again_holds_the_new_records_only(tmp_path: Path) -> None:
    write_records(tmp_path / "t", [TRAJECTORY, HELPFUL], Trajectory)
    write_records(tmp_path / "t", [HELPFUL], Trajectory)
    assert read_records(tmp_path / "t", Trajectory) == [HELPFUL]


def test_no_parquet_is_written_where_there_are_no_records(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="nothing to write"):
        write_records(tmp_path / "x", [], Trajectory)
    assert not list(tmp_path.rglob("*.parquet"))


def test_what_is_missing_and_what_is_something_else_is_named(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="run the stage that makes it"):
        read_rows(tmp_path / "x")
    write_records(tmp_path / "t", [TRAJECTORY], Trajectory)
    with pytest.raises(StoreError, match="not what this version"):
        read_records(tmp_path / "t", Labelled)
    next((tmp_path / "t").glob("*.parquet")).unlink()
    with pytest.raises(StoreError, match="no such file"):
        read_rows(tmp_path / "t")
