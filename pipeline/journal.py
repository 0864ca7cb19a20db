"""The journal: every answer that was paid for, appended once, found again by its key.

One record is one line, `checksum key payload`, written in one call and flushed in groups. A line that a
crash cut short is taken off when the journal is opened, and reported. Outputs are made from the journal, so
it is the only thing that durability depends on.
"""

import fcntl
import json
import os
import zlib
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

SYNC_EVERY = 64
"""Records between two calls of fdatasync."""


class JournalError(Exception):
    """The journal cannot be used; the message names the file and the next step."""


class Journal:
    """An append-only file of answers under a lock; at most one process has it open.

    Raises:
        JournalError: another process holds the journal, or a record before its end is damaged.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        self._file = path.open("a+b", buffering=0)
        self.cut_off = 0
        self._unsynced = 0
        try:
            self._lock()
            self._index = self._read()
        except JournalError:
            self._file.close()
            raise

    def __len__(self) -> int:
        return len(self._index)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def get(self, key: str) -> dict[str, object] | None:
        """The payload kept under the key, or None."""
        place = self._index.get(key)
        if place is None:
            return None
        offset, length = place
        return json.loads(os.pread(self._file.fileno(), length, offset))

    def put(self, key: str, payload: Mapping[str, object]) -> None:
        """Append one record; a key that is already there is kept as it was."""
        if key in self._index:
            return
        body = f"{key} {json.dumps(payload, ensure_ascii=True)}".encode()
        line = b"%08x %s\n" % (zlib.crc32(body), body)
        end = os.fstat(self._file.fileno()).st_size
        self._write(line, end)
        start = end + 9 + len(key) + 1
        self._index[key] = (start, end + len(line) - 1 - start)
        self._unsynced += 1
        if self._unsynced >= SYNC_EVERY:
            self.sync()

    def sync(self) -> None:
        os.fdatasync(self._file.fileno())
        self._unsynced = 0

    def close(self) -> None:
        if not self._file.closed:
            self.sync()
            self._file.close()

    def _lock(self) -> None:
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise JournalError(
                f"{self.path}: another process is working in this run folder; wait for it or stop it"
            ) from error

    def _write(self, line: bytes, end: int) -> None:
        try:
            written = self._file.write(line)
        except OSError as error:
            self._file.truncate(end)
            raise JournalError(f"{self.path}: {error.strerror}; free some space and run again") from error
        if written != len(line):
            self._file.truncate(end)
            raise JournalError(f"{self.path}: the disk is full; free some space and run again")

    def _read(self) -> dict[str, tuple[int, int]]:
        index: dict[str, tuple[int, int]] = {}
        offset = 0
        torn = False
        # The journal's own file is unbuffered, for writes; read line by line it would be one call per byte.
        with self.path.open("rb") as lines:
            for line in lines:
                if torn:
                    raise JournalError(
                        f"{self.path}: the record at byte {offset} is damaged; "
                        "move the file away to ask everything again, or restore it"
                    )
                if _whole(line):
                    key = line[9 : line.index(b" ", 9)].decode()
                    start = 9 + len(key) + 1
                    index[key] = (offset + start, len(line) - 1 - start)
                    offset += len(line)
                else:
                    torn = True
        size = os.fstat(self._file.fileno()).st_size
        self.cut_off = size - offset
        if self.cut_off:
            self._file.truncate(offset)
        return index


def _whole(line: bytes) -> bool:
    if not line.endswith(b"\n") or line[8:9] != b" ":
        return False
    try:
        return int(line[:8], 16) == zlib.crc32(line[9:-1])
    except ValueError:
        return False
