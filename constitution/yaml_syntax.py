"""YAML text in, PyYAML's nodes out: which scalars are what, and which syntax is refused.

The half of `strict_yaml` that knows PyYAML. Aliases are refused (which also ends alias bombs), and so is
nesting so deep that reading it would exhaust the stack.
"""

import re

import yaml

from constitution.problem import DocumentError, Problem

MAX_DEPTH = 64

CORE = "tag:yaml.org,2002:"
_INT = re.compile(r"[-+]?[0-9]+")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_SPECIAL_FLOAT = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")
_TRUE = ("true", "True", "TRUE", "yes", "Yes", "YES", "on", "On", "ON")
_FALSE = ("false", "False", "FALSE", "no", "No", "NO", "off", "Off", "OFF")
_NULL = ("", "~", "null", "Null", "NULL")
LINE_BREAK = re.compile("\r\n|[\n\r\x85\u2028\u2029]")  # as PyYAML counts lines


class _Loader(yaml.SafeLoader):
    """PyYAML's pure reader with this module's scalars, and with aliases, anchors and deep nesting refused."""

    yaml_implicit_resolvers = {}  # noqa: RUF012  PyYAML's own class registry
    depth = 0

    def compose_node(self, parent: yaml.Node | None, index: object) -> yaml.Node | None:
        event = self.peek_event()
        if getattr(event, "anchor", None) is not None:  # an AliasEvent carries one too
            raise yaml.MarkedYAMLError(problem="aliases are not allowed", problem_mark=event.start_mark)
        if self.depth >= MAX_DEPTH:
            raise yaml.MarkedYAMLError(problem="nested too deep", problem_mark=event.start_mark)
        self.depth += 1
        node = super().compose_node(parent, index)  # type: ignore[arg-type]
        self.depth -= 1
        return node


def _alternatives(spellings: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile(f"^(?:{'|'.join(map(re.escape, spellings))})$")


SCALARS = (
    ("null", _alternatives(_NULL), ["~", "n", "N", ""]),
    ("bool", _alternatives(_TRUE + _FALSE), list("tTfFyYnNoO")),
    ("int", re.compile(f"^(?:{_INT.pattern})$"), list("-+0123456789")),
    ("float", re.compile(f"^(?:{_FLOAT.pattern}|{_SPECIAL_FLOAT.pattern})$"), list("-+0123456789.")),
)
"""How an unquoted scalar is told from text, in PyYAML's terms: kind, pattern, first characters."""

for _kind, _pattern, _first in SCALARS:
    _Loader.add_implicit_resolver(CORE + _kind, _pattern, _first)


_SYNTAX = {
    "aliases are not allowed": "the text written out; a text that starts with * or & in quotes",
    "expected alphabetic or numeric character": "a text that starts with * or & in quotes",
    "nested too deep": f"at most {MAX_DEPTH} levels",
    "expected a single document": "one document in a file; remove the `---` line that starts another",
    "but found another document": "one document in a file; remove the `---` line that starts another",
    "mapping values are not allowed": "the keys of a mapping in one column; a text that holds `: ` in quotes",
    "'\\t' that cannot start any token": "spaces; YAML allows no tabs in indentation",
    "could not find expected ':'": "`key: value`; a longer text goes indented below `key: >-`",
    "expected <block end>": "the same indentation as the lines before it",
    "found unknown escape character": "\\\\ for a backslash in double quotes, or single quotes",
    "unexpected end of stream": "a closing quote",
    "expected ',' or": "a comma or a closing bracket; a text that starts with [ or { in quotes",
    "cannot start any token": "a text that starts with this character in quotes",
}


def compose(text: str, source: str, lines: tuple[str, ...]) -> yaml.Node | None:
    """The document's top node, None for an empty text; `DocumentError` where it is not YAML."""
    try:
        return _Loader(text).get_single_node()
    except yaml.reader.ReaderError as error:
        offset = error.position
        before = LINE_BREAK.split(text[:offset])
        what = f"character {offset} (0x{ord(text[offset]):02x}) is not allowed"
        raise DocumentError(
            Problem(source, what, len(before), len(before[-1]) + 1, expected="printable text")
        ) from None
    except yaml.MarkedYAMLError as error:
        raise DocumentError(_syntax_problem(error, source, lines)) from None


def _syntax_problem(error: yaml.MarkedYAMLError, source: str, lines: tuple[str, ...]) -> Problem:
    what = error.problem or error.context or "not YAML"
    mark = error.problem_mark or error.context_mark
    expected = next((hint for part, hint in _SYNTAX.items() if part in what), "")
    if mark is None:
        return Problem(source, what, expected=expected)
    started = error.context_mark
    if started is not None and started.line < mark.line and error.context:
        what = f"{what} ({error.context} that starts on line {started.line + 1})"
    return Problem(
        source,
        what,
        mark.line + 1,
        mark.column + 1,
        excerpt=lines[min(mark.line, len(lines) - 1)],
        expected=expected,
    )


def _read_float(written: str) -> float:
    return float(written.replace(".", "") if _SPECIAL_FLOAT.fullmatch(written) else written)


def _read_null(written: str) -> None:
    if written not in _NULL:
        raise ValueError(written)


def _read_bool(written: str) -> bool:
    if written not in _TRUE + _FALSE:
        raise ValueError(written)
    return written in _TRUE


READ_SCALAR = {"str": str, "int": int, "float": _read_float, "bool": _read_bool, "null": _read_null}
