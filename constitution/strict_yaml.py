"""Text in, a `Document` out: plain data, and for every key and value the line and column it stands on.

The first stop of every YAML file, constitutions and recipes alike. The strict subset: one document, a mapping
at the top, text keys written once, and only text, numbers, booleans, null, lists and mappings as values.
Aliases are refused (which also ends alias bombs), as are tags that would build anything else.

Numbers follow YAML 1.2 (`2e-4` is a number, `12:30` is text). `yes`, `no`, `on` and `off` count as booleans,
so that a text field refuses them instead of guessing; dates are text.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import yaml

from constitution.problem import DocumentError, Problem, nearest
from constitution.yaml_syntax import CORE, LINE_BREAK, READ_SCALAR, compose

MAX_BYTES = 4 * 1024 * 1024

Value: TypeAlias = "str | int | float | bool | list[Value] | dict[str, Value] | None"
"""Plain data, as JSON has it."""

Where: TypeAlias = tuple[str | int, ...]
"""The way from the top of a document to a value: keys and list positions."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where something is written; line and column count from 1, the width is in characters of that line."""

    line: int
    column: int
    width: int = 1


@dataclass(frozen=True, slots=True)
class Document:
    """A file's plain data and where each part of it is written.

    `values` and `keys` give the place of each value and of its key; `written` a scalar's own spelling.
    """

    source: str
    data: dict[str, Value]
    lines: tuple[str, ...]
    values: Mapping[Where, Place]
    keys: Mapping[Where, Place]
    written: Mapping[Where, str]

    def position(self, where: Where) -> tuple[int, int]:
        """Line and column of the value at `where`, or of the nearest thing above it that is written."""
        place = self._place(where, on_key=False)
        return place.line, place.column

    def problem(
        self,
        where: Where,
        what: str,
        *,
        on_key: bool = False,
        expected: str = "",
        suggestion: str = "",
        next_step: str = "",
    ) -> Problem:
        """A problem at the value (or its key) at `where`; raise it with `DocumentError(problem, ...)`."""
        place = self._place(where, on_key=on_key)
        return Problem(
            source=self.source,
            what=what,
            line=place.line,
            column=place.column,
            excerpt=self.lines[place.line - 1],
            width=place.width,
            expected=expected,
            suggestion=suggestion,
            next_step=next_step,
        )

    def _place(self, where: Where, *, on_key: bool) -> Place:
        places = self.keys if on_key and where in self.keys else self.values
        while where not in places:
            where = where[:-1]
        return places[where]


def read_document(path: Path) -> Document:
    """Read a YAML file of the strict subset; `DocumentError` says where it is not one."""
    return parse_document(read_text(path), str(path))


def parse_document(text: str, source: str) -> Document:
    """Parse YAML text of the strict subset; `source` is the name that errors show."""
    text = text.removeprefix("\ufeff")
    lines = tuple(LINE_BREAK.split(text))
    root = compose(text, source, lines)
    builder = _Builder(source, lines)
    if root is None:
        raise DocumentError(Problem(source, "the file is empty", expected="`key: value` lines"))
    if not isinstance(root, yaml.MappingNode):
        found = "a list" if isinstance(root, yaml.SequenceNode) else "a single value"
        raise DocumentError(builder.problem(root, f"the file holds {found}", expected="`key: value` lines"))
    data = builder.mapping(root, ())
    if builder.problems:
        raise DocumentError(*builder.problems)
    return Document(source, data, lines, builder.values, builder.keys, builder.written)


def read_text(path: Path) -> str:
    """A file's text; `DocumentError` where it is missing, larger than 4 MiB or not UTF-8."""
    source = str(path)
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise DocumentError(_missing_file(path)) from None
    except OSError as error:
        raise DocumentError(
            Problem(source, f"cannot be read: {error.strerror}", expected="a readable file")
        ) from error
    if len(raw) > MAX_BYTES:
        raise DocumentError(Problem(source, "the file is larger than 4 MiB", expected="a hand-written file"))
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise DocumentError(_not_utf8(source, raw, error.start)) from None


def _missing_file(path: Path) -> Problem:
    names = [entry.name for entry in path.parent.iterdir()] if path.parent.is_dir() else []
    next_step = "" if names else f"check the folder: {path.parent} does not exist or is empty"
    return Problem(str(path), "no such file", suggestion=nearest(path.name, names), next_step=next_step)


def _not_utf8(source: str, raw: bytes, offset: int) -> Problem:
    line_start = raw.rfind(b"\n", 0, offset) + 1
    line = raw.count(b"\n", 0, offset) + 1
    what = f"byte {offset} (0x{raw[offset]:02x}) is not UTF-8"
    column = len(raw[line_start:offset].decode("utf-8", "replace")) + 1
    return Problem(
        source, what, line=line, column=column, expected="text in UTF-8", next_step="save the file as UTF-8"
    )


class _Builder:
    """Turns PyYAML's nodes into plain data, noting places, and problems to be told all at once."""

    def __init__(self, source: str, lines: tuple[str, ...]) -> None:
        self.source = source
        self.lines = lines
        self.values: dict[Where, Place] = {}
        self.keys: dict[Where, Place] = {}
        self.written: dict[Where, str] = {}
        self.problems: list[Problem] = []

    def problem(self, node: yaml.Node, what: str, *, expected: str = "", next_step: str = "") -> Problem:
        place = _place(node)
        return Problem(
            self.source,
            what,
            place.line,
            place.column,
            excerpt=self.lines[place.line - 1],
            width=place.width,
            expected=expected,
            next_step=next_step,
        )

    def mapping(self, node: yaml.MappingNode, where: Where) -> dict[str, Value]:
        self.values[where] = _place(node)
        data: dict[str, Value] = {}
        for key_node, value_node in node.value:
            key = self._key(key_node)
            if key is None:
                continue
            here = (*where, key)
            if key in data:
                first = self.keys[here].line
                what = f"key `{key}` is written twice, first on line {first}"
                self.problems.append(self.problem(key_node, what, next_step="remove one of the two"))
                continue
            self.keys[here] = _place(key_node)
            data[key] = self._value(value_node, here)
        return data

    def _key(self, node: yaml.Node) -> str | None:
        if isinstance(node, yaml.ScalarNode) and node.tag == f"{CORE}str":
            return node.value
        next_step = f'write "{node.value}" in quotes' if isinstance(node, yaml.ScalarNode) else ""
        self.problems.append(self.problem(node, "a key is not text", expected="text", next_step=next_step))
        return None

    def _value(self, node: yaml.Node, where: Where) -> Value:
        kind = node.tag.removeprefix(CORE)
        if isinstance(node, yaml.MappingNode) and kind == "map":
            return self.mapping(node, where)
        self.values[where] = _place(node)
        if isinstance(node, yaml.SequenceNode) and kind == "seq":
            return [self._value(item, (*where, position)) for position, item in enumerate(node.value)]
        if isinstance(node, yaml.ScalarNode) and kind in READ_SCALAR:
            self.written[where] = node.value
            return self._scalar(node, kind)
        what = f"tag `{node.tag.replace(CORE, '!!')}` is not allowed"
        self.problems.append(self.problem(node, what, expected="plain YAML", next_step="remove the tag"))
        return None

    def _scalar(self, node: yaml.ScalarNode, kind: str) -> Value:
        try:
            value = READ_SCALAR[kind](node.value)
        except ValueError:
            what = f"`{node.value[:40]}` cannot be read as {kind}"
            self.problems.append(self.problem(node, what, next_step="put the text in quotes"))
            return None
        if isinstance(value, str) and any("\ud800" <= character <= "\udfff" for character in value):
            what = "the text holds half a character (an escape between \\ud800 and \\udfff)"
            self.problems.append(self.problem(node, what, next_step="write the character itself"))
        return value


def _place(node: yaml.Node) -> Place:
    start, end = node.start_mark, node.end_mark
    width = end.column - start.column if end.line == start.line else 1
    return Place(start.line + 1, start.column + 1, max(1, width))
