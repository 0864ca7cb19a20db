"""Text of models, users and recipes made safe to stand in a card: any text in, inert Markdown out."""

import re
import unicodedata

_LIVE = str.maketrans({mark: f"&#{ord(mark)};" for mark in "\\`*_[]<>|&~#!"})


def cell(text: str) -> str:
    """One line of plain text for a table's cell or a list's item: no mark, tag or link in it is live."""
    return " ".join(_visible(text).split()).translate(_LIVE).replace("://", "&#58;//")


def fenced(text: str) -> str:
    """The text as a block whose fence is longer than any run of backticks in it."""
    shown = _visible(text)
    longest = max((len(run) for run in re.findall("`+", shown)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}text\n{shown}\n{fence}"


def table(rows: dict[str, str]) -> str:
    """Two columns, names and values, both as plain text."""
    lines = [f"| {cell(name)} | {cell(value)} |" for name, value in rows.items()]
    return "\n".join(["| | |", "| --- | --- |", *lines])


def _visible(text: str) -> str:
    """Control, direction and surrogate characters as escapes, so that what is read is what is there."""
    text = re.sub(r"\r\n?|[\u2028\u2029\x85\x0b\x0c]", "\n", text)
    return "".join(f"\\u{ord(character):04x}" if _hidden(character) else character for character in text)


def _hidden(character: str) -> bool:
    return character not in "\n\t\u200d" and unicodedata.category(character) in ("Cc", "Cf", "Cs")
