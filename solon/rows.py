"""A `Source` in, its rows out, each with its place: JSONL, JSON, CSV, Parquet, a saved dataset, the Hub.

Nothing is known here of what a row means (`solon.inputs` does). JSONL is read a line at a time and Parquet a
batch at a time, so that `limit` stops the reading. A source that cannot be read is an `InputError`.
"""

import csv
import gzip
import io
import json
import re
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import IO, TypeAlias, cast

from constitution.document import DocumentError, Problem, nearest
from solon.recipe import Source

FORMATS = (".jsonl", ".json", ".csv", ".parquet")
_PACKED = (".jsonl", ".json", ".csv")
_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*(?:/[A-Za-z0-9][\w.-]*)?")
Reader: TypeAlias = Callable[[str, IO[bytes]], Iterator["Row"]]
_SHOWN = 2000
"""Characters of a line that are kept for showing where a problem is."""


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


def read_rows(source: Source, *, base: Path) -> Iterator[Row]:
    """The source's rows in order, at most `limit`; a relative path starts at the folder `base`."""
    path = base / Path(source.path).expanduser()
    if path.is_dir():
        rows = _saved_dataset(path, source)
    elif path.is_file() or not is_hub_id(source, base=base):
        rows = _file(path)
    else:
        rows = _hub(source, path)
    return islice(rows, source.limit)


def is_hub_id(source: Source, *, base: Path) -> bool:
    """Whether the source is on the Hub: its path has the form of an id, and nothing here is called so."""
    path = source.path
    first, slash, _ = path.partition("/")
    # `data/red_tem` beside a folder `data` is a misspelt path, as is `red_team.txt`; `org/set-v1.1` is an id.
    named_as_file = (base / first).is_dir() if slash else "." in path
    named_as_file = named_as_file or path.lower().removesuffix(".gz").endswith(FORMATS)
    return not named_as_file and _HUB_ID.fullmatch(path) is not None and not (base / path).exists()


def _file(path: Path) -> Iterator[Row]:
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


def _opened(path: Path, *, packed: bool, read: Reader) -> Iterator[Row]:
    try:
        with gzip.open(path, "rb") if packed else path.open("rb") as file:
            yield from read(str(path), cast("IO[bytes]", file))
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise InputError(Problem(str(path), f"not a whole gzip file: {error}")) from error
    except OSError as error:
        raise InputError(Problem(str(path), f"cannot be read: {error.strerror or error}")) from error


def _jsonl(source: str, file: IO[bytes]) -> Iterator[Row]:
    offset = number = 0
    for line_number, raw in enumerate(file, start=1):
        raw_text = raw.removeprefix(b"\xef\xbb\xbf") if line_number == 1 else raw
        text = _decoded(raw_text, source, offset=offset, line=line_number).rstrip("\r\n")
        offset += len(raw)
        if not text.strip():
            continue
        number += 1
        value = _parsed(text, source, line=line_number)
        yield _row(value, Row({}, source, number, line_number, text[:_SHOWN]))


def _json(source: str, file: IO[bytes]) -> Iterator[Row]:
    text = _decoded(file.read().removeprefix(b"\xef\xbb\xbf"), source)
    if not text.strip():
        return
    rows = _parsed(text, source)
    if not isinstance(rows, list):
        found = "one object" if isinstance(rows, dict) else "a single value"
        problem = Problem(source, f"the file holds {found}", expected="a list of objects: [{...}, {...}]")
        raise InputError(problem)
    for number, value in enumerate(rows, start=1):
        yield _row(value, Row({}, source, number))


def _csv(source: str, file: IO[bytes]) -> Iterator[Row]:
    text = _decoded(file.read().removeprefix(b"\xef\xbb\xbf"), source)
    lines = text.splitlines()
    csv.field_size_limit(1 << 30)
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        header = next(reader, [])
        if len(set(header)) < len(header):
            twice = next(name for name in header if header.count(name) > 1)
            raise InputError(Problem(source, f"two columns are called `{twice}`", expected="each name once"))
        ended, number = reader.line_num, 0
        for cells in reader:
            line, ended = ended + 1, reader.line_num
            if not cells:
                continue
            number += 1
            excerpt = lines[line - 1][:_SHOWN] if line <= len(lines) else ""
            row = Row(dict(zip(header, cells, strict=False)), source, number, line, excerpt)
            if len(cells) != len(header):
                what = f"the row has {len(cells)} cells and the first line {len(header)} names"
                raise InputError(row.problem(what, next_step="put a text that holds commas in quotes"))
            yield row
    except csv.Error as error:
        raise InputError(Problem(source, f"not CSV: {error}", reader.line_num, 1)) from error


def _parquet(path: Path) -> Iterator[Row]:
    import pyarrow
    from pyarrow import parquet

    number = 0
    try:
        with parquet.ParquetFile(path) as file:
            for batch in file.iter_batches(batch_size=1024):
                for values in batch.to_pylist():
                    number += 1
                    yield Row(values, str(path), number)
    except (pyarrow.ArrowInvalid, OSError) as error:
        raise InputError(Problem(str(path), f"not a Parquet file that can be read: {error}")) from error


def _saved_dataset(path: Path, source: Source) -> Iterator[Row]:
    from datasets import DatasetDict, load_from_disk

    try:
        found = load_from_disk(str(path))
    except (OSError, ValueError, KeyError) as error:
        files = sorted(entry.name for entry in path.iterdir() if entry.suffix in FORMATS)
        step = f"name a file in it: {', '.join(files[:5])}" if files else ""
        problem = Problem(
            str(path),
            "the folder holds no dataset that `datasets` saved",
            expected="a folder written by `Dataset.save_to_disk`",
            next_step=step,
        )
        raise InputError(problem) from error
    if isinstance(found, DatasetDict):
        if source.split not in found:
            names = list(map(str, found))
            what = f"the dataset has no split `{source.split}`"
            suggestion = nearest(source.split, names)
            expected = f"`split:` one of {', '.join(names)}"
            raise InputError(Problem(str(path), what, expected=expected, suggestion=suggestion))
        found = found[source.split]
    for number, values in enumerate(found, start=1):
        yield Row(cast("Mapping[str, object]", values), str(path), number)


def _hub(source: Source, path: Path) -> Iterator[Row]:
    from datasets import load_dataset

    shown = source.path if source.config is None else f"{source.path} ({source.config})"
    try:
        found = load_dataset(source.path, source.config, split=source.split)
    except Exception as error:  # the Hub's client raises errors of many libraries
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        problem = Problem(
            shown,
            f"no file or folder {path}, and nothing that can be loaded from the Hub: {reason}",
            expected="a file, a folder, or an id on the Hub that this machine can reach",
            suggestion=nearest(path.name, _names_beside(path)),
            next_step="check the path, `config:`, `split:` and the network; for a gated data set, log in",
        )
        raise InputError(problem) from error
    for number, values in enumerate(found, start=1):
        yield Row(cast("Mapping[str, object]", values), f"{shown}, split {source.split}", number)


def _missing(path: Path) -> InputError:
    names = _names_beside(path)
    step = "" if names else f"check the folder: {path.parent} does not exist or is empty"
    return InputError(
        Problem(str(path), "no such file", suggestion=nearest(path.name, names), next_step=step)
    )


def _names_beside(path: Path) -> list[str]:
    return [entry.name for entry in path.parent.iterdir()] if path.parent.is_dir() else []


def _formats() -> str:
    return f"{', '.join(FORMATS)}, or the first three with .gz"


def _row(value: object, empty: Row) -> Row:
    if not isinstance(value, dict):
        raise InputError(empty.problem("the row is not an object", expected='{"prompt": "..."}'))
    return Row(value, empty.source, empty.number, empty.line, empty.excerpt)


def _decoded(raw: bytes, source: str, *, offset: int = 0, line: int = 1) -> str:
    """The text of bytes that start at a byte and a line of the file."""
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        before = raw[: error.start]
        column = len(before[before.rfind(b"\n") + 1 :].decode("utf-8")) + 1
        what = f"byte {offset + error.start} (0x{raw[error.start]:02x}) is not UTF-8"
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
