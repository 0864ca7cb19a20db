"""A file in, its rows out, each with its place: JSONL, JSON, CSV, Parquet, the text ones also gzipped.

Nothing is known here of what a row means (`pipeline.row_content` reads that). JSONL is read a line at a time
and Parquet a batch at a time. A row that cannot be read comes out as a `Problem`, so that whoever wants to
can go on behind it; a file that cannot be read is an `InputError`.
"""

import csv
import gzip
import json
import re
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import IO, TYPE_CHECKING, TypeAlias, cast

from constitution.document import DocumentError, Problem, nearest

if TYPE_CHECKING:
    from pyarrow import RecordBatch

FORMATS = (".jsonl", ".json", ".csv", ".parquet")
_PACKED = (".jsonl", ".json", ".csv")
_MARK = b"\xef\xbb\xbf"
"""What some programs begin a file in UTF-8 with."""
_HALF = re.compile("[\ud800-\udfff]")
_SHOWN = 2000
"""Characters of a line that are kept for showing where a problem is."""

Read: TypeAlias = Iterator["Row | Problem"]
Reader: TypeAlias = Callable[[str, IO[bytes]], Read]


class InputError(DocumentError):
    """Data that Solon cannot use, with every problem that was found in it."""


@dataclass(frozen=True, slots=True)
class Row:
    """One row as it was read. `number` counts rows and `line` lines, both from 1."""

    values: Mapping[str, object]
    source: str
    number: int
    line: int | None = None
    excerpt: str = ""

    @property
    def place(self) -> str:
        return f"{self.source}:{self.line}" if self.line else f"{self.source}, row {self.number}"

    def problem(
        self, what: str, *, key: str = "", expected: str = "", suggestion: str = "", next_step: str = ""
    ) -> Problem:
        """A problem of this row, shown at its key where the row has a line that holds it."""
        column = self.excerpt.find(f'"{key}"') + 1
        return Problem(
            self.source if self.line else self.place,
            what,
            line=self.line,
            column=(column or 1) if self.line else None,
            excerpt=self.excerpt,
            width=len(key) + 2 if column else 1,
            expected=expected,
            suggestion=suggestion,
            next_step=next_step,
        )


def iter_file(path: Path) -> Read:
    """The file's rows in order, and a problem in the place of each row that cannot be read.

    Raises:
        InputError: the file is not there, has no known format, or cannot be read on from some point.
    """
    packed = path.suffix.lower() == ".gz"
    suffix = path.with_suffix("").suffix.lower() if packed else path.suffix.lower()
    if not path.is_file():
        raise _missing(path)
    if suffix not in (_PACKED if packed else FORMATS):
        problem = Problem(str(path), f"`{path.name}` has no format that is read", expected=_formats())
        raise InputError(problem)
    if suffix == ".parquet":
        return _parquet(path)
    read = {".jsonl": _jsonl, ".json": _json, ".csv": _csv}[suffix]
    return _opened(path, packed=packed, read=read)


def names_beside(path: Path) -> list[str]:
    """What is in the folder that a path leads into, for telling which file was meant."""
    return [entry.name for entry in path.parent.iterdir()] if path.parent.is_dir() else []


def _opened(path: Path, *, packed: bool, read: Reader) -> Read:
    try:
        with gzip.open(path, "rb") if packed else path.open("rb") as file:
            yield from read(str(path), cast("IO[bytes]", file))
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise InputError(Problem(str(path), f"not a whole gzip file: {error}")) from error
    except OSError as error:
        raise InputError(Problem(str(path), f"cannot be read: {error.strerror or error}")) from error


def _jsonl(source: str, file: IO[bytes]) -> Read:
    offset = number = 0
    for line, raw in enumerate(file, start=1):
        start, offset = offset, offset + len(raw)
        if not raw.removeprefix(_MARK).strip():
            continue
        number += 1
        try:
            text = _decoded(raw, source, offset=start, line=line).rstrip("\r\n")
            value = _parsed(text, source, line=line)
            yield _row(value, Row({}, source, number, line, text[:_SHOWN]))
        except InputError as error:
            yield error.problems[0]


def _json(source: str, file: IO[bytes]) -> Read:
    text = _decoded(file.read(), source)
    if not text.strip():
        return
    rows = _parsed(text, source)
    if not isinstance(rows, list):
        found = "one object" if isinstance(rows, dict) else "a single value"
        problem = Problem(source, f"the file holds {found}", expected="a list of objects: [{...}, {...}]")
        raise InputError(problem)
    for number, value in enumerate(rows, start=1):
        try:
            yield _row(value, Row({}, source, number))
        except InputError as error:
            yield error.problems[0]


def _csv(source: str, file: IO[bytes]) -> Read:
    raw = file.read().splitlines(keepends=True)
    # A byte that is not UTF-8 becomes half a character, which UTF-8 never gives, and loses only its own row.
    lines = [line.decode("utf-8", "surrogateescape") for line in raw]
    lines[:1] = [line.removeprefix("\ufeff") for line in lines[:1]]
    starts = [0, *accumulate(map(len, raw))]
    csv.field_size_limit(1 << 30)
    reader = csv.reader(lines, strict=True)

    def not_utf8(cells: Sequence[str], begun: int) -> Problem | None:
        """What is wrong with the bytes of a row that has just been read."""
        if not _HALF.search("".join(cells)):
            return None
        written = b"".join(raw[begun - 1 : reader.line_num])
        return _not_utf8(written, source, offset=starts[begun - 1], line=begun)

    try:
        header = next(reader, [])
        _require_header(header, source, not_utf8(header, 1))
        ended, number = reader.line_num, 0
        for cells in reader:
            begun, ended = ended + 1, reader.line_num
            if not cells:
                continue
            number += 1
            excerpt = lines[begun - 1].rstrip("\r\n")[:_SHOWN]
            row = Row(dict(zip(header, cells, strict=False)), source, number, begun, excerpt)
            yield not_utf8(cells, begun) or _not_as_long(row, header, cells) or row
    except csv.Error as error:
        raise InputError(Problem(source, f"not CSV: {error}", reader.line_num, 1)) from error


def _require_header(header: Sequence[str], source: str, problem: Problem | None) -> None:
    if problem is None and len(set(header)) < len(header):
        twice = next(name for name in header if header.count(name) > 1)
        problem = Problem(source, f"two columns are called `{twice}`", expected="each name once")
    if problem is not None:
        raise InputError(problem)


def _not_utf8(raw: bytes, source: str, *, offset: int, line: int) -> Problem | None:
    try:
        _decoded(raw, source, offset=offset, line=line)
    except InputError as error:
        return error.problems[0]
    return None


def _not_as_long(row: Row, header: Sequence[str], cells: Sequence[str]) -> Problem | None:
    if len(cells) == len(header):
        return None
    what = f"the row has {len(cells)} cells and the first line {len(header)} names"
    return row.problem(what, next_step="put a text that holds commas in quotes")


def _parquet(path: Path) -> Read:
    import pyarrow
    from pyarrow import parquet

    number = 0
    try:
        with parquet.ParquetFile(path) as file:
            for batch in file.iter_batches(batch_size=1024):
                yield from _batch(batch, str(path), number)
                number += batch.num_rows
    except (pyarrow.ArrowInvalid, OSError) as error:
        raise InputError(Problem(str(path), f"not a Parquet file that can be read: {error}")) from error


def _batch(batch: "RecordBatch", source: str, before: int) -> Read:
    """The rows of a batch that stands behind so many; one by one where a text of it is broken."""
    try:
        rows = batch.to_pylist()
    except UnicodeDecodeError as error:
        if batch.num_rows > 1:
            for at in range(batch.num_rows):
                yield from _batch(batch.slice(at, 1), source, before + at)
            return
        what = f"byte {error.start} of a text (0x{error.object[error.start]:02x}) is not UTF-8"
        yield Row({}, source, before + 1).problem(what, expected="text in UTF-8")
        return
    for number, values in enumerate(rows, start=before + 1):
        yield Row(values, source, number)


def _missing(path: Path) -> InputError:
    names = names_beside(path)
    step = "" if names else f"check the folder: {path.parent} does not exist or is empty"
    return InputError(
        Problem(str(path), "no such file", suggestion=nearest(path.name, names), next_step=step)
    )


def _formats() -> str:
    return f"{', '.join(FORMATS)}, or the first three with .gz"


def _row(value: object, empty: Row) -> Row:
    if not isinstance(value, dict):
        raise InputError(empty.problem("the row is not an object", expected='{"prompt": "..."}'))
    return Row(value, empty.source, empty.number, empty.line, empty.excerpt)


def _decoded(raw: bytes, source: str, *, offset: int = 0, line: int = 1) -> str:
    """The text of bytes that start at a byte and a line of the file, without a mark before the first."""
    try:
        return (raw if offset else raw.removeprefix(_MARK)).decode("utf-8")
    except UnicodeDecodeError as error:
        start = error.start + (0 if offset or not raw.startswith(_MARK) else len(_MARK))
        before = raw[:start]
        column = len(before[before.rfind(b"\n") + 1 :].decode("utf-8-sig")) + 1
        what = f"byte {offset + start} (0x{raw[start]:02x}) is not UTF-8"
        problem = Problem(
            source,
            what,
            line + before.count(b"\n"),
            column,
            expected="text in UTF-8",
            next_step="save the file as UTF-8",
        )
        raise InputError(problem) from None


def _parsed(text: str, source: str, *, line: int = 1) -> object:
    """The JSON value of a text that starts at a line of the file."""
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        at = line + error.lineno - 1
        excerpt = text.split("\n")[error.lineno - 1]
        lines_of_json = error.msg == "Extra data" and error.lineno > 1
        step = "the file seems to hold one object a line: call it .jsonl" if lines_of_json else ""
        problem = Problem(source, f"not JSON: {error.msg}", at, error.colno, excerpt=excerpt, next_step=step)
        raise InputError(problem) from None
    except (ValueError, RecursionError) as error:
        problem = Problem(source, f"not JSON that can be read: {error}", line, 1)
        raise InputError(problem) from None
