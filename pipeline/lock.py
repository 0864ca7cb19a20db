"""Who may write: a lock on a file, which names its holder to everybody who comes second.

In: the lock file's path. Out: a held `Lock`, or a `LockedError` that names process and host. The operating
system drops the lock of a process that dies, so a file that a dead process left is simply taken over.
"""

import fcntl
import json
import os
import socket
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Holder:
    """The process that holds a lock, since a time of day on its host."""

    pid: int
    host: str
    since: str

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host} (since {self.since})"

    @property
    def is_running(self) -> bool | None:
        """Whether the process is there; None on another host, where it cannot be known."""
        if self.host != socket.gethostname():
            return None
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return False
        except PermissionError:
            return True
        return True


class LockedError(Exception):
    """Somebody else holds the lock; `holder` is None where they have not written their name yet."""

    def __init__(self, path: Path, holder: Holder | None) -> None:
        super().__init__(f"{path}: held by {holder or 'another process'}")
        self.holder = holder


class Lock:
    """Held from its making to `release`, or to the death of the process.

    `left_by` is the holder that died with it, if there was one. One that does not `sign` leaves the name in
    the file as it is, for who comes next: for a moment's work.

    Raises:
        LockedError: another process holds it.
        OSError: the file system cannot lock.
    """

    def __init__(self, path: Path, *, sign: bool = True) -> None:
        self._signed = sign
        self._file = path.open("a+", encoding="utf-8")
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            self._file.close()
            raise LockedError(path, read_holder(path)) from error
        except OSError:
            self._file.close()
            raise
        self.left_by = read_holder(path)
        if sign:
            self._write_name()

    def release(self) -> None:
        """Take the name out and let others in. The file stays: removing it would let two in at once."""
        if not self._file.closed:
            if self._signed:
                with suppress(OSError):
                    self._file.truncate(0)
            self._file.close()

    def _write_name(self) -> None:
        me = Holder(os.getpid(), socket.gethostname(), f"{datetime.now():%Y-%m-%d %H:%M:%S}")
        # A full disk takes the name away, not the lock.
        with suppress(OSError):
            self._file.truncate(0)
            self._file.write(json.dumps(asdict(me)))
            self._file.flush()


def read_holder(path: Path) -> Holder | None:
    """The name in a lock file, without touching the lock; None where nobody holds it."""
    try:
        return Holder(**json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None
