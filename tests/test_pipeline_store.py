"""Records to Parquet and back."""

import pytest

from critique.model import Request, Round, Text, Trajectory
from labeling.model import Labelled
from pipeline.store import StoreError, read_records, read_rows, write_records, write_rows
from prompts.message import Message

TRAJECTORY = Trajectory(
    Request("r", "red_team", (Message("user", "{{ 7 }} \u2014 \U0001f600"),), "x", '{"a": 1}'),
    Text("first", True, 3),
    (Round("p", Text("c", False, 1), Text("v", False, 1), examples=("e",)),),
    keys=("k",),
)


def test_records_come_back_as_they_were(tmp_path) -> None:
    helpful = Trajectory(Request("h", "helpful", ()), Text("t", False, 1), samples=(Text("t", False, 1),))
    write_records(tmp_path / "t.parquet", [TRAJECTORY, helpful], Trajectory)
    assert read_records(tmp_path / "t.parquet", Trajectory) == [TRAJECTORY, helpful]


def test_nothing_is_written_where_there_are_no_rows(tmp_path) -> None:
    with pytest.raises(StoreError, match="nothing to write"):
        write_rows(tmp_path / "x.parquet", [])
    assert list(tmp_path.iterdir()) == []


def test_a_missing_file_and_a_foreign_file_are_named(tmp_path) -> None:
    with pytest.raises(StoreError, match="no such file"):
        read_rows(tmp_path / "x.parquet")
    write_records(tmp_path / "t.parquet", [TRAJECTORY], Trajectory)
    with pytest.raises(StoreError, match="not what this version"):
        read_records(tmp_path / "t.parquet", Labelled)
