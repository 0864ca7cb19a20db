"""Streams a stage's records into Parquet shards, and goes on behind the last whole one.

In: outcomes in the rows' order. Out: a folder of shards of a fixed number of rows each, and a manifest. A
shard is written under a temporary name, synced, renamed, and then named in the manifest: what the manifest
does not name does not exist. The same rows give the same bytes, however often the work was interrupted.
"""

import dataclasses
import hashlib
import json
import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO, Generic, TypeVar, cast

from pydantic import TypeAdapter

from pipeline.columns import columns_of
from pipeline.disk import is_full, sync_folder, write_whole

SHARD_ROWS = 5_000
"""Rows of a shard; those of an unfinished one are put together from the journal again, in a second or two."""

GROUP = 1_000
"""Records that are held in memory before they are written, as one row group."""

MANIFEST = "shards.json"

Record = TypeVar("Record")


class StoreError(Exception):
    """A stored file cannot be written or read; the message names it and the next step."""


@dataclass(frozen=True, slots=True)
class Shard:
    """A whole shard: `rows` that came in, `records` that came of them, rows that failed by reason.

    `sha256` is the Parquet file's; "" where there are no records, and no file.
    """

    rows: int
    records: int
    failed: Mapping[str, int]
    sha256: str


@dataclass(slots=True)
class Manifest:
    """What is in a folder of shards. `made_by` names everything that the records depend on."""

    made_by: str = ""
    stem: str = "part"
    complete: bool = False
    shards: list[Shard] = field(default_factory=list)

    @property
    def rows(self) -> int:
        return sum(shard.rows for shard in self.shards)

    @property
    def records(self) -> int:
        return sum(shard.records for shard in self.shards)

    @property
    def failed(self) -> Counter[str]:
        return sum((Counter(shard.failed) for shard in self.shards), Counter())

    @property
    def digest(self) -> str:
        """SHA-256 over what the records are: equal for folders of equal content."""
        text = json.dumps([shard.sha256 for shard in self.shards])
        return hashlib.sha256(text.encode()).hexdigest()

    def files(self, folder: Path) -> list[Path]:
        """The Parquet files in order."""
        numbered = enumerate(self.shards)
        return [folder / f"{self.stem}-{number:05}.parquet" for number, shard in numbered if shard.records]


class Shards(Generic[Record]):
    """A folder that is being written. `rows` of them are there already: give those that follow.

    `kind` is the records' dataclass, or a TypedDict for plain rows. A folder that something else made
    (`made_by`) is begun anew. Close it: a shard that is not whole is thrown away then.

    Raises:
        StoreError: a file cannot be written; what is whole stays, and the work can go on from there.
    """

    def __init__(
        self,
        folder: Path,
        kind: type[Record],
        *,
        made_by: str,
        stem: str = "part",
        shard_rows: int = SHARD_ROWS,
    ) -> None:
        self.folder = folder
        self._columns = columns_of(kind)
        self._adapter = TypeAdapter(list[kind]) if dataclasses.is_dataclass(kind) else None  # type: ignore[valid-type]
        self._shard_rows = shard_rows
        with writable(folder):
            folder.mkdir(parents=True, exist_ok=True)
            self.manifest = read_manifest(folder) or Manifest()
            if (self.manifest.made_by, self.manifest.stem) != (made_by, stem):
                self.manifest = Manifest(made_by, stem)
                self._write_manifest()
            self.manifest.complete = False
            self._remove_leftovers()
        self._begin()

    @property
    def rows(self) -> int:
        """Rows whose outcomes are in whole shards."""
        return self.manifest.rows

    @property
    def has_records(self) -> bool:
        return bool(self._held or self._records or self.manifest.records)

    @property
    def first_failure(self) -> dict[str, str] | None:
        """The first row that failed, with its reason."""
        return next(failures(self.folder), next(iter(self._failures), None))

    def restart(self) -> None:
        """Forget what is there."""
        self.close()
        with writable(self.folder):
            self.manifest = Manifest(self.manifest.made_by, self.manifest.stem)
            self._write_manifest()
            self._remove_leftovers()
        self._begin()

    def add(self, row_id: str, records: Sequence[Record], *, reason: str = "", message: str = "") -> None:
        """What came of the next row: records, or the reason why there are none."""
        self._held += records
        self._rows += 1
        if reason:
            self._failures.append({"id": row_id, "reason": reason, "message": message})
        if len(self._held) >= GROUP:
            self._write_group()
        if self._rows == self._shard_rows:
            self._end_shard()

    def finish(self) -> Manifest:
        """Write what is left and declare the folder complete."""
        if self._rows:
            self._end_shard()
        self.manifest.complete = True
        self._write_manifest()
        return self.manifest

    def close(self) -> None:
        """Throw away the shard that is not whole; its records come again."""
        if self._file is not None:
            # On a full disk these fail as the write before them did, and that one is told.
            with suppress(Exception):
                self._parquet.close()
            with suppress(OSError):
                self._file.close()
            self._file = None
        self._partial.unlink(missing_ok=True)

    @property
    def _partial(self) -> Path:
        return self.folder / f".{self.manifest.stem}.partial"

    def _begin(self) -> None:
        self._file: IO[bytes] | None = None
        self._held: list[Record] = []
        self._failures: list[dict[str, str]] = []
        self._rows = self._records = 0

    def _write_group(self) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        with writable(self.folder):
            if self._file is None:
                self._file = self._partial.open("wb")
                self._parquet: pq.ParquetWriter = pq.ParquetWriter(
                    self._file, self._columns, compression="zstd"
                )
            rows = self._adapter.dump_python(self._held, mode="json") if self._adapter else self._held
            self._parquet.write_table(pa.Table.from_pylist(cast("list", rows), schema=self._columns))
        self._records += len(self._held)
        self._held = []

    def _end_shard(self) -> None:
        """The shard's files first, then the manifest that names them."""
        if self._held:
            self._write_group()
        number = len(self.manifest.shards)
        with writable(self.folder):
            if self._failures:
                lines = "".join(json.dumps(failure) + "\n" for failure in self._failures)
                write_whole(self.folder / f"failed-{number:05}.jsonl", lines.encode())
            digest = self._end_file(self.folder / f"{self.manifest.stem}-{number:05}.parquet")
            reasons = Counter(failure["reason"] for failure in self._failures)
            self.manifest.shards.append(
                Shard(self._rows, self._records, dict(sorted(reasons.items())), digest)
            )
            self._write_manifest()
        self._begin()

    def _end_file(self, path: Path) -> str:
        if self._file is None:
            return ""
        self._parquet.close()
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        self._file = None
        with self._partial.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        self._partial.rename(path)
        sync_folder(self.folder)
        return digest

    def _write_manifest(self) -> None:
        text = json.dumps(asdict(self.manifest), indent=1) + "\n"
        write_whole(self.folder / MANIFEST, text.encode())

    def _remove_leftovers(self) -> None:
        """Files of shards that the manifest does not name: a crash came before, or another run made them."""
        named = {*self.manifest.files(self.folder), self.folder / MANIFEST}
        named |= {
            self.folder / f"failed-{number:05}.jsonl"
            for number, shard in enumerate(self.manifest.shards)
            if shard.failed
        }
        for pattern in (f"{self.manifest.stem}-*.parquet", "failed-*.jsonl", ".*.partial"):
            for path in set(self.folder.glob(pattern)) - named:
                path.unlink()


def read_manifest(folder: Path) -> Manifest | None:
    """What is in the folder; None where nothing is that can be gone on with."""
    try:
        content = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        return Manifest(**{**content, "shards": [Shard(**shard) for shard in content["shards"]]})
    except (OSError, ValueError, TypeError, KeyError):
        return None


def failures(folder: Path) -> Iterator[dict[str, str]]:
    """The rows that failed, in order: `id`, `reason`, `message`."""
    for path in sorted(folder.glob("failed-*.jsonl")):
        with path.open(encoding="utf-8") as lines:
            yield from map(json.loads, lines)


@contextmanager
def writable(path: Path) -> Iterator[None]:
    """What the system says of a write that failed, with the next step."""
    try:
        yield
    except OSError as error:
        step = "free some space" if is_full(error) else "see that it can be written"
        raise StoreError(f"{path}: {error.strerror or error}; {step} and run again") from error
