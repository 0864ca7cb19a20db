"""Small files that are there whole or not at all, and what a full disk says of itself.

A path and its content come in; when `write_whole` returns, the content is on the disk under its name.
"""

import errno
import os
from pathlib import Path


def write_whole(path: Path, content: bytes) -> None:
    """A file that is there whole, and on the disk, or not at all; several processes may write it."""
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        with partial.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Have the folder's names on the disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def is_full(error: OSError) -> bool:
    """Whether space was wanting: on the disk, in a quota, or in the largest file that is allowed."""
    return error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
