"""Stores a stage's records as Parquet and reads them back: whole or not at all, never empty.

Records are dataclasses; a Parquet row has their fields as columns, nested where they are.
"""

import os
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from pydantic import TypeAdapter, ValidationError

Record = TypeVar("Record")


class StoreError(Exception):
    """A stored file cannot be written or read; the message names it and the next step."""


def write_rows(path: Path, rows: Sequence[Mapping[str, object]]) -> None:
    """Write plain rows as one Parquet file: to a temporary name, synced, renamed.

    Raises:
        StoreError: there are no rows.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    if not rows:
        raise StoreError(f"{path}: there is nothing to write")
    table = pa.Table.from_pylist([dict(row) for row in rows])
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            pq.write_table(table, file, compression="zstd")
            file.flush()
            os.fsync(file.fileno())
        Path(name).chmod(0o644)
        Path(name).rename(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def read_rows(path: Path) -> list[dict[str, object]]:
    import pyarrow.parquet as pq

    if not path.is_file():
        raise StoreError(f"{path}: no such file; run the stage that makes it first")
    return pq.read_table(path).to_pylist()


def write_records(path: Path, records: Sequence[Record], kind: type[Record]) -> None:
    """Write dataclass records; raises as `write_rows` does."""
    write_rows(path, TypeAdapter(list[kind]).dump_python(list(records), mode="json"))  # type: ignore[valid-type]


def read_records(path: Path, kind: type[Record]) -> list[Record]:
    """Read what `write_records` wrote.

    Raises:
        StoreError: the file is missing or holds something else.
    """
    try:
        return TypeAdapter(list[kind]).validate_python(read_rows(path))  # type: ignore[valid-type]
    except ValidationError as error:
        raise StoreError(
            f"{path}: not what this version of Solon writes: {error.errors()[0]['msg']}"
        ) from error
