"""Reads a stage's records back: from a folder of shards (`pipeline.shards`), in order, a batch at a time."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from pydantic import TypeAdapter, ValidationError

from pipeline.shards import Manifest, Shards, StoreError, read_manifest

__all__ = [
    "StoreError",
    "StoredRecords",
    "StoredRows",
    "iter_records",
    "iter_rows",
    "read_records",
    "read_rows",
    "write_records",
]

BATCH = 1_000

Record = TypeVar("Record")


def write_records(
    folder: Path, records: Iterable[Record], kind: type[Record], *, stem: str = "part"
) -> Manifest:
    """Write a whole folder of shards anew; `kind` is a dataclass, or a TypedDict for plain rows.

    Raises:
        StoreError: there are no records, or a file cannot be written.
    """
    shards = Shards(folder, kind, made_by="", stem=stem)
    try:
        shards.restart()
        for record in records:
            shards.add("", [record])
        if not shards.has_records:
            raise StoreError(f"{folder}: there is nothing to write")
        return shards.finish()
    finally:
        shards.close()


def iter_rows(folder: Path) -> Iterator[dict[str, object]]:
    """The plain rows of a folder of shards, in order.

    Raises:
        StoreError: the folder is not there, or not whole.
    """
    import pyarrow.parquet as pq

    manifest = read_manifest(folder)
    if manifest is None or not manifest.complete:
        raise StoreError(f"{folder}: not there or not finished; run the stage that makes it first")
    for path in manifest.files(folder):
        if not path.is_file():
            raise StoreError(f"{path}: no such file; remove {folder} and run the stage that makes it again")
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(batch_size=BATCH):
                yield from batch.to_pylist()


@dataclass(frozen=True, slots=True)
class StoredRows:
    """The plain rows of a folder of shards, read anew each time they are gone through, as by `iter_rows`."""

    folder: Path

    def __iter__(self) -> Iterator[dict[str, object]]:
        return iter_rows(self.folder)


def read_rows(folder: Path) -> list[dict[str, object]]:
    """All rows at once; raises as `iter_rows` does."""
    return list(iter_rows(folder))


def iter_records(folder: Path, kind: type[Record]) -> Iterator[Record]:
    """The records of a folder of shards, in order.

    Raises:
        StoreError: the folder is not there or not whole, or holds something else.
    """
    adapter = TypeAdapter(kind)
    for row in iter_rows(folder):
        try:
            yield adapter.validate_python(row)
        except ValidationError as error:
            raise StoreError(
                f"{folder}: not what this version of Solon writes: {error.errors()[0]['msg']}"
            ) from error


@dataclass(frozen=True, slots=True)
class StoredRecords(Generic[Record]):
    """The records of a folder of shards, read anew each time they are gone through, as by `iter_records`."""

    folder: Path
    kind: type[Record]

    def __iter__(self) -> Iterator[Record]:
        return iter_records(self.folder, self.kind)


def read_records(folder: Path, kind: type[Record]) -> list[Record]:
    """All records at once; raises as `iter_records` does."""
    return list(iter_records(folder, kind))
