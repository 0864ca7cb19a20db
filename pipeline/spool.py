"""Texts that wait in a temporary file and take eight bytes each in memory.

They come in one after the other, and are read back by their number or all in their order. The file has no
name and goes with the process.
"""

import tempfile
from array import array
from collections.abc import Iterator
from pathlib import Path

from pipeline.shards import writable


class Spool:
    """A list of texts on the disk; raises `StoreError` where that has no room."""

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile()  # noqa: SIM115  (open as long as the spool is there)
        self._ends = array("Q", [0])

    def __len__(self) -> int:
        return len(self._ends) - 1

    def __iter__(self) -> Iterator[str]:
        return (self[number] for number in range(len(self)))

    def __getitem__(self, number: int) -> str:
        start, end = self._ends[number], self._ends[number + 1]
        self._file.seek(start)
        return self._file.read(end - start).decode("utf-8", "surrogatepass")

    def append(self, text: str) -> None:
        """Add a text behind the others."""
        content = text.encode("utf-8", "surrogatepass")
        with writable(Path(tempfile.gettempdir())):
            self._file.seek(self._ends[-1])
            self._file.write(content)
        self._ends.append(self._ends[-1] + len(content))
