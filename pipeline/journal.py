"""The journal: every answer that was paid for, appended once, found again by its key.

One record is one frame (`pipeline.frames`), written in one call. Records are synced in groups, a short time
after the first of each, in a thread: a disk may take a tenth of a second, in which the event loop would stand
still. A tail that a crash cut short is taken off when the journal is opened, and reported. Outputs are made
from the journal, so it is the only thing that durability depends on.
"""

import json
import os
import threading
from array import array
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from pipeline.disk import is_full
from pipeline.frames import HEADER, Frame, frames, next_frame, packed, payload_at, start_of
from pipeline.index import Index
from pipeline.lock import Holder, Lock, LockedError

SYNC_WITHIN_S = 0.25
"""Seconds after which a record's sync begins at the latest: what a power cut may take."""

KEY_DIGITS = 32
_FILE_BITS = 48
"""A place is a file's number and, in its lowest bits, an offset in that file."""


class JournalError(Exception):
    """The journal cannot be used; the message names the file and the next step."""


class Journal:
    """An append-only file of answers under a lock; at most one process has it open.

    Keys are 32 hexadecimal digits. Answers in the files `also` (other workers' journals) are found as well;
    they are only read, and not locked. `cut_off` is the length in bytes of a torn tail that was taken off,
    `left_by` the process that died with the lock.

    Raises:
        JournalError: another process holds the journal, a record before its end is damaged, or the file is
            none of this version's.
    """

    def __init__(self, path: Path, *, also: Sequence[Path] = ()) -> None:
        self.path = path
        self.cut_off = 0
        self._index = Index()
        self._files: list[int] = []
        self._timer: threading.Timer | None = None
        self._syncing = threading.Lock()
        self._failure: OSError | None = None
        self._written = self._synced = self._end = 0
        self._lock = locked(path)
        self.left_by: Holder | None = self._lock.left_by
        try:
            self._end = self._open()
            for other in also:
                self._read_also(other)
        except BaseException:
            self._release()
            raise

    def __len__(self) -> int:
        return len(self._index)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def size(self) -> int:
        """The file's length in bytes: `payloads` from here on are those of records yet to come."""
        return self._end

    @property
    def unsynced(self) -> int:
        """Records that a power cut would take."""
        return self._written - self._synced

    def get(self, key: str) -> dict[str, object] | None:
        """The payload kept under the key, or None."""
        digest = _digest(key)
        for place in self._index.candidates(digest):
            file, offset = self._files[place >> _FILE_BITS], place & ((1 << _FILE_BITS) - 1)
            payload = payload_at(file, offset, digest)
            if payload is not None:
                return json.loads(payload)
        return None

    def put(self, key: str, payload: Mapping[str, object]) -> None:
        """Append one record; a key that is already there is kept as it was.

        Raises:
            JournalError: the record cannot be written (a full disk); the journal is whole without it.
        """
        if self._failure is not None:
            raise self._unwritable(self._failure)
        if self.get(key) is not None:
            return
        digest = _digest(key)
        self._append(packed(digest, json.dumps(payload, ensure_ascii=True).encode()), digest)
        self._written += 1
        if self._timer is None:
            self._timer = threading.Timer(SYNC_WITHIN_S, self._sync_later)
            self._timer.daemon = True
            self._timer.start()

    def sync(self) -> None:
        """Have everything that was written on the disk."""
        with self._syncing:
            written = self._written
            if not self._files or written == self._synced:
                return
            try:
                os.fdatasync(self._files[0])
            except OSError as error:
                self._failure = error
                raise self._unwritable(error) from error
            self._synced = written

    def close(self) -> None:
        """Sync, and let others in. A journal that is closed again does nothing."""
        if not self._files:
            return
        if self._timer is not None:
            self._timer.cancel()
        try:
            self.sync()
        finally:
            with self._syncing:
                self._release()

    def _open(self) -> int:
        """Open or begin the file, read its index, take off a torn tail; gives its end."""
        file = os.open(self.path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)
        self._files.append(file)
        size = os.fstat(file).st_size
        head = os.pread(file, len(HEADER), 0)
        if len(head) < len(HEADER) and HEADER.startswith(head):
            os.ftruncate(file, 0)
            self._write(HEADER)
            return len(HEADER)
        _check_version(self.path, head)
        end = self._index_of(file, size)
        if end < size:
            self._require_torn(file, end, size)
            os.ftruncate(file, end)
            self.cut_off = size - end
        return end

    def _read_also(self, path: Path) -> None:
        """Another journal's answers; its writer may be at work, so its tail is left as it is."""
        file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        self._files.append(file)
        _check_version(path, os.pread(file, len(HEADER), 0))
        self._index_of(file, os.fstat(file).st_size)

    def _index_of(self, file: int, size: int) -> int:
        base = (len(self._files) - 1) << _FILE_BITS
        digests, places, end = array("Q"), array("Q"), len(HEADER)
        for frame in frames(file, end, size):
            digests.append(int.from_bytes(frame.digest[:8], "little"))
            places.append(base | start_of(frame))
            end = frame.end
        self._index.load(digests, places)
        return end

    def _require_torn(self, file: int, end: int, size: int) -> None:
        """A crash tears only the tail: whole records behind a broken one mean damage."""
        behind: Frame | None = next_frame(file, end + 1, size)
        if behind is not None:
            raise JournalError(
                f"{self.path}: the record at byte {end} is damaged, and there are whole ones behind it (the "
                f"next at byte {start_of(behind)})\n"
                f"  next: restore the file from a copy; or keep the {len(self._index)} answers before the "
                f"damage and ask for the rest again: truncate -s {end} {self.path}"
            )

    def _append(self, frame: bytes, digest: bytes) -> None:
        place = self._end
        self._write(frame)
        self._end = place + len(frame)
        self._index.add(digest, place)

    def _write(self, data: bytes) -> None:
        try:
            written = os.write(self._files[0], data)
        except OSError as error:
            os.ftruncate(self._files[0], self._end)
            raise self._unwritable(error) from error
        if written != len(data):
            os.ftruncate(self._files[0], self._end)
            raise JournalError(f"{self.path}: the disk is full; free some space and run again")

    def _unwritable(self, error: OSError) -> JournalError:
        return JournalError(f"{self.path}: {error.strerror}; free some space and run again")

    def _sync_later(self) -> None:
        """In the timer's thread, so that the event loop goes on; a failure is told by the next `put`."""
        self._timer = None
        try:
            self.sync()
        except JournalError:
            return

    def _release(self) -> None:
        for file in self._files:
            os.close(file)
        self._files.clear()
        self._lock.release()


def read_payloads(path: Path, start: int = 0) -> Iterator[dict[str, object]]:
    """The payloads of the whole records from a byte on, without the lock: somebody may be writing."""
    file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        for frame in frames(file, max(start, len(HEADER)), os.fstat(file).st_size):
            yield json.loads(os.pread(file, frame.length, frame.offset))
    finally:
        os.close(file)


def lock_file(path: Path) -> Path:
    """The lock beside a journal; `pipeline.lock.read_holder` says who has it."""
    return path.with_name(f"{path.name}.lock")


def locked(path: Path, *, sign: bool = True) -> Lock:
    """The lock of a journal; `JournalError` names the process that holds it. `sign` as for `Lock`."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return Lock(lock_file(path), sign=sign)
    except LockedError as error:
        raise JournalError(
            f"{path}: {error.holder or 'another process'} is working in this run folder; "
            "wait for it or stop it"
        ) from error
    except OSError as error:
        step = "free some space and run again" if is_full(error) else "choose another folder"
        raise JournalError(f"{path}: cannot be locked: {error.strerror}; {step}") from error


def _check_version(path: Path, head: bytes) -> None:
    if head == HEADER:
        return
    found = "a journal of another version of Solon" if _is_journal(head) else "no journal of Solon's"
    raise JournalError(
        f"{path}: {found}, so its answers cannot be read\n"
        "  next: move the file away to ask everything again, or choose another --out"
    )


def _is_journal(head: bytes) -> bool:
    """A header of any version, or the first version's line: eight digits of a checksum and a space."""
    return head.startswith(b"solon journal ") or (head[8:9] == b" " and head[:8].isalnum())


def _digest(key: str) -> bytes:
    if len(key) != KEY_DIGITS:
        raise ValueError(f"a journal key has {KEY_DIGITS} hexadecimal digits, not {len(key)}: {key!r}")
    return bytes.fromhex(key)
