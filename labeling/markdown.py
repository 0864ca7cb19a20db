"""Text of models, users and files made safe to stand in Markdown: any text in, inert text out.

Dataset cards, model cards and reports are written with it. Whatever a text holds (headings, tables, links,
HTML, fences, terminal codes, right-to-left marks), the document's own structure stays the document's.
"""

import re
import unicodedata
from collections.abc import Mapping, Sequence

_MARKS = str.maketrans({mark: f"&#{ord(mark)};" for mark in "\\`*[]<>|&~#!"})
_OUTER_UNDERSCORE = re.compile(r"(?<![^\W_])_|_(?![^\W_])")
"""One with a letter or digit on both sides is no mark, and names stay readable."""
_BLOCK_START = re.compile(r"^(?:[-+=](?=[-= ]*$| )|\d{1,9}(?=[.)](?: |$)))")
"""What opens a list, a rule or an underlined heading where a cell begins its line."""


def cell(text: str) -> str:
    """One line of plain text, for table cells, headings and list items: no mark, tag or link is live."""
    line = " ".join(visible(text).split()).translate(_MARKS)
    line = _OUTER_UNDERSCORE.sub("&#95;", line).replace("://", "&#58;//")
    line = re.sub(r"(?i)\bwww\.", lambda match: f"{match[0][:-1]}&#46;", line)
    return _BLOCK_START.sub(_inert_start, line)


def fenced(text: str, language: str = "text") -> str:
    """The text as a fenced block; the fence is longer than any run of backticks in the text."""
    shown = visible(text)
    longest = max((len(run) for run in re.findall("`+", shown)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{language}\n{shown}\n{fence}"


def table(header: Sequence[str], rows: Sequence[Sequence[str]], *, numbers: bool = True) -> str:
    """A table of cells that are Markdown already; `numbers`: all columns but the first read right."""
    others = "---:" if numbers else "---"
    lines = [header, ["---", *[others] * (len(header) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def facts_table(facts: Mapping[str, str], *, title: str = "") -> str:
    """Two columns, names and values, both plain text."""
    rows = [(cell(name), cell(value)) for name, value in facts.items()]
    return table((title, ""), rows, numbers=False)


def visible(text: str) -> str:
    """The text with control, direction and surrogate characters written out as escapes."""
    text = re.sub(r"\r\n?|[\u2028\u2029\x85\x0b\x0c]", "\n", text)
    return "".join(_escaped(character) if _is_hidden(character) else character for character in text)


def _inert_start(match: re.Match[str]) -> str:
    start = match[0]
    return f"&#{ord(start[0])};{start[1:]}"


def _is_hidden(character: str) -> bool:
    if character in "\n\t\u200d":  # the joiner holds emoji and some scripts together
        return False
    return unicodedata.category(character) in ("Cc", "Cf", "Cs")


def _escaped(character: str) -> str:
    code = ord(character)
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"
