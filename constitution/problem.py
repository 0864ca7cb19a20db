"""What is wrong with a file, told so that a person can mend it.

In: a place in a file and what was found there. Out: a `DocumentError` whose text shows the file, the line, a
caret, what was expected, the nearest valid name and the next step. Every file that Solon reads as YAML, and
the published JSON that it imports, is refused through this one error.
"""

import difflib
import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass

WINDOW = 100
"""Columns of a source line that are shown; a longer line is cut around the caret."""

# A recipe may be pasted into a log: the value of a key that is named like a secret is never shown.
_CONFIDENTIAL = "(?:api_?key|secret|password|passwd|token)"
SECRET_KEY = re.compile(f"{_CONFIDENTIAL}$", re.IGNORECASE)
_SECRET_LINE = re.compile(rf"({_CONFIDENTIAL}[\"']?\s*:\s+)\S.*", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong. Line and column count from 1; both are None where a whole file is meant."""

    source: str
    what: str
    line: int | None = None
    column: int | None = None
    excerpt: str = ""
    width: int = 1
    expected: str = ""
    suggestion: str = ""
    next_step: str = ""

    def __str__(self) -> str:
        lines = [self._headline(), *self._picture()]
        if self.expected:
            lines.append(f"  expected: {self.expected}")
        if self.suggestion:
            lines.append(f"  did you mean '{self.suggestion}'?")
        if self.next_step:
            lines.append(f"  next: {self.next_step}")
        return "\n".join(lines)

    def _headline(self) -> str:
        place = "" if self.line is None else f":{self.line}:{self.column}"
        return f"{self.source}{place}: {self.what}"

    def _picture(self) -> list[str]:
        """The source line with a caret line below it."""
        if self.line is None or self.column is None or not self.excerpt.strip():
            return []
        shown, offset = _cut(_SECRET_LINE.sub(r"\1…", self.excerpt).replace("\t", " "), self.column - 1)
        width = max(1, min(self.width, _columns(shown[offset:])))
        number = str(self.line)
        return [
            f"  {number} | {shown}",
            f"  {' ' * len(number)} | {' ' * _columns(shown[:offset])}{'^' * width}",
        ]


class DocumentError(Exception):
    """A file that Solon will not read, with every problem that was found in it, in the file's order.

    `source`, `line` and `column` are those of the first problem.
    """

    def __init__(self, *problems: Problem) -> None:
        super().__init__(*problems)
        self.problems = problems
        self.source = problems[0].source
        self.line = problems[0].line
        self.column = problems[0].column

    def __str__(self) -> str:
        text = "\n\n".join(str(problem) for problem in self.problems)
        count = len(self.problems)
        return text if count == 1 else f"{text}\n\n{count} problems in {self.source}"


def nearest(name: str, names: Iterable[str]) -> str:
    """The name that `name` was probably meant to be, or "" where none comes near."""
    plain = {_plain(candidate): candidate for candidate in names}
    found = difflib.get_close_matches(_plain(name), list(plain), n=1, cutoff=0.6)
    return plain[found[0]] if found else ""


def unknown_name(kind: str, name: str, known: Iterable[str]) -> str:
    """What is said of a name of a registry that is not there: those that are, and the nearest one."""
    names = sorted(known)
    near = nearest(name, names)
    hint = f" (did you mean '{near}'?)" if near else ""
    return f"there is no {kind} {name!r}; there are: {', '.join(names)}{hint}"


def _plain(name: str) -> str:
    return name.lower().replace("-", "_").replace(" ", "_")


def _cut(line: str, offset: int) -> tuple[str, int]:
    """At most `WINDOW` characters of the line around the offset, and the offset in them."""
    start = 0 if offset < WINDOW else offset - WINDOW // 2
    shown = line[start : start + WINDOW]
    if start + WINDOW < len(line):
        shown += "…"
    return (f"…{shown}", offset - start + 1) if start else (shown, offset)


def _columns(text: str) -> int:
    """Terminal columns that the text takes: wide East Asian characters and emoji take two."""
    return sum(
        0 if unicodedata.combining(character) else 1 + (unicodedata.east_asian_width(character) in "WF")
        for character in text
    )
