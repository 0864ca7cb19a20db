"""Text of models, users and files made safe to stand in a Markdown report: any text in, inert text out.

Whatever a response holds (headings, HTML, fences, terminal codes, right-to-left marks), the report's own
structure stays the report's.
"""

import re
import unicodedata

_MARKS = str.maketrans({mark: f"&#{ord(mark)};" for mark in "\\`*[]<>|&~#!"})


def cell(text: str) -> str:
    """One line of plain text, for table cells, headings and list items: no mark or tag in it is live."""
    line = re.sub(r"\s+", " ", visible(text)).strip()
    line = line.translate(_MARKS).replace("://", "&#58;//")
    return re.sub(r"\b_|_\b", "&#95;", line)


def fenced(text: str) -> str:
    """The text as a fenced block; the fence is longer than any run of backticks in the text."""
    shown = visible(text)
    longest = max((len(run) for run in re.findall(r"`+", shown)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}text\n{shown}\n{fence}"


def table(header: list[str], rows: list[list[str]]) -> str:
    """A table of cells that are Markdown already; the first column reads left, the others right."""
    lines = [header, ["---", *["---:"] * (len(header) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def visible(text: str) -> str:
    """The text with control, direction and surrogate characters written out as escapes."""
    text = re.sub(r"\r\n?|[\u2028\u2029\x85\x0b\x0c]", "\n", text)
    return "".join(_escaped(character) if _is_hidden(character) else character for character in text)


def _is_hidden(character: str) -> bool:
    if character in "\n\t\u200d":  # the joiner holds emoji and some scripts together
        return False
    return unicodedata.category(character) in ("Cc", "Cf", "Cs")


def _escaped(character: str) -> str:
    code = ord(character)
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"
