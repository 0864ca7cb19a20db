"""Shards: the same bytes however often the work was cut off, and nothing half written that counts."""

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from pipeline.columns import columns_of
from pipeline.shards import Shards, failures, read_manifest
from pipeline.store import read_records


@dataclass(frozen=True)
class Item:
    id: str
    words: tuple[str, ...] = ()
    score: float | None = None


def items(start: int, stop: int) -> list[Item]:
    return [Item(f"r{number}", ("a",) * (number % 3), None) for number in range(start, stop)]


def fill(folder: Path, stop: int, *, made_by: str = "x", finish: bool = True) -> int:
    """Write rows up to `stop` in shards of ten, going on where it stood; every seventh fails."""
    shards = Shards(folder, Item, made_by=made_by, shard_rows=10)
    try:
        begun = shards.rows
        for item in items(begun, stop):
            if int(item.id[1:]) % 7 == 3:
                shards.add(item.id, [], reason="too_long", message="9000 tokens")
            else:
                shards.add(item.id, [item])
        if finish:
            shards.finish()
        return begun
    finally:
        shards.close()


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_records_and_failures_are_kept_in_order(tmp_path: Path) -> None:
    fill(tmp_path / "a", 25)
    manifest = read_manifest(tmp_path / "a")
    assert manifest is not None
    assert (manifest.rows, manifest.records, manifest.complete) == (25, 21, True)
    assert manifest.failed == {"too_long": 4}
    assert read_records(tmp_path / "a", Item) == [item for item in items(0, 25) if int(item.id[1:]) % 7 != 3]
    assert [failure["id"] for failure in failures(tmp_path / "a")] == ["r3", "r10", "r17", "r24"]


@pytest.mark.parametrize("stop", [0, 4, 10, 13, 20, 24])
def test_work_that_was_cut_off_gives_the_same_files(tmp_path: Path, stop: int) -> None:
    fill(tmp_path / "whole", 25)
    fill(tmp_path / "cut", stop, finish=False)
    assert fill(tmp_path / "cut", 25) == stop // 10 * 10, "whole shards are not made again"
    assert content(tmp_path / "cut") == content(tmp_path / "whole")


def test_what_the_manifest_does_not_name_is_taken_away(tmp_path: Path) -> None:
    fill(tmp_path / "whole", 25)
    fill(tmp_path / "cut", 12, finish=False)
    for name in ("part-00001.parquet", ".part.partial", "failed-00007.jsonl"):
        (tmp_path / "cut" / name).write_bytes(b"torn")
    fill(tmp_path / "cut", 25)
    assert content(tmp_path / "cut") == content(tmp_path / "whole")


def test_shards_that_something_else_made_are_made_again(tmp_path: Path) -> None:
    fill(tmp_path / "a", 25, made_by="old")
    assert fill(tmp_path / "a", 12, made_by="new") == 0
    manifest = read_manifest(tmp_path / "a")
    assert manifest is not None
    assert (manifest.made_by, manifest.rows) == ("new", 12)


def test_a_shard_in_which_every_row_failed_has_no_parquet_file(tmp_path: Path) -> None:
    shards = Shards(tmp_path, Item, made_by="x", shard_rows=2)
    for number in range(2):
        shards.add(f"r{number}", [], reason="timeout", message="too slow")
    for item in items(2, 4):
        shards.add(item.id, [item])
    shards.finish()
    assert [path.name for path in tmp_path.glob("*.parquet")] == ["part-00001.parquet"]
    assert len(read_records(tmp_path, Item)) == 2


def test_the_digest_is_of_what_is_in_the_files(tmp_path: Path) -> None:
    for name, stop in (("a", 25), ("b", 25), ("c", 23)):
        fill(tmp_path / name, stop, made_by=name)
    digests = [manifest.digest for name in "abc" if (manifest := read_manifest(tmp_path / name))]
    assert digests[0] == digests[1] != digests[2]


def test_columns_come_from_the_types_and_not_from_the_values() -> None:
    columns = columns_of(Item)
    assert [str(column.type) for column in columns] == ["string", "list<item: string>", "double"]


FULL_DISK = """
import resource, sys
from pathlib import Path
from tests.test_pipeline_shards import fill
from pipeline.shards import StoreError
resource.setrlimit(resource.RLIMIT_FSIZE, (500, 500))
try:
    fill(Path(sys.argv[1]), 25)
except StoreError as error:
    print(error)
"""


def test_a_full_disk_is_told_and_the_work_goes_on_afterwards(tmp_path: Path) -> None:
    filled = subprocess.run(
        [sys.executable, "-c", FULL_DISK, str(tmp_path / "a")],
        cwd=Path(__file__).parent.parent,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "free some space and run again" in filled.stdout, filled.stderr
    assert not list((tmp_path / "a").glob(".*"))
    fill(tmp_path / "a", 25)
    fill(tmp_path / "whole", 25)
    assert content(tmp_path / "a") == content(tmp_path / "whole")
    assert json.loads((tmp_path / "a" / "shards.json").read_text())["complete"] is True
