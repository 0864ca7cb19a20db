"""Other clothes for a response: changes of Markdown and white space that leave every word of it, by name.

Each is a function from a text to a text, and gives the same text where there is nothing to change.
"""

import re
from collections.abc import Callable, Mapping

_SENTENCE = re.compile(r"(?<=[.!?])\s+")
_LIST = re.compile(r"(?m)^\s*(?:[-*+•]|\d+[.)]|[A-Za-z][.)]) ")
_BOLD = re.compile(r"(?<![\w*])\*\*([^\s*](?:[^*\n]*[^\s*])?)\*\*(?![\w*])")
_CODE = "```"


def bullets(text: str) -> str:
    """Every sentence as an item of a list; texts with lists or code stay as they are."""
    return _listed(text, lambda _: "- ")


def numbers(text: str) -> str:
    """The same with numbers."""
    return _listed(text, lambda number: f"{number}. ")


def heading(text: str) -> str:
    return f"## Answer\n\n{text}"


def bold(text: str) -> str:
    """The first sentence in bold."""
    first, *rest = _SENTENCE.split(text.strip(), maxsplit=1)
    return text if "*" in text or "\n" in first else " ".join([f"**{first}**", *rest])


def plain(text: str) -> str:
    """Without marks of bold type and headings."""
    return text if _CODE in text else re.sub(r"(?m)^#{1,6} ", "", _BOLD.sub(r"\1", text))


def code_fence(text: str) -> str:
    return text if _CODE in text else f"{_CODE}\n{text}\n{_CODE}"


def list_marks(text: str) -> str:
    """Other marks for the same lists."""
    return re.sub(r"(?m)^(\s*)(\d+)\. ", r"\1\2) ", re.sub(r"(?m)^(\s*)- ", r"\1* ", text))


def list_letters(text: str) -> str:
    """Lists that count in small letters count in capitals, and the other way round."""
    return re.sub(r"(?m)^(\s*)([A-Za-z])([.)] )", lambda m: m[1] + m[2].swapcase() + m[3], text)


def blank_lines(text: str) -> str:
    """A blank line wherever a line ends."""
    return re.sub(r"\n+", "\n\n", text)


def trailing_newlines(text: str) -> str:
    return f"{text}\n\n"


def leading_space(text: str) -> str:
    return f"  {text}"


CLOTHES: Mapping[str, Callable[[str], str]] = {
    change.__name__: change
    for change in (
        bullets,
        numbers,
        heading,
        bold,
        plain,
        code_fence,
        list_marks,
        list_letters,
        blank_lines,
        trailing_newlines,
        leading_space,
    )
}


def _listed(text: str, mark: Callable[[int], str]) -> str:
    sentences = [
        sentence for line in text.splitlines() for sentence in _SENTENCE.split(line) if sentence.strip()
    ]
    if _CODE in text or _LIST.search(text) or len(sentences) < 2:
        return text
    return "\n".join(mark(number) + sentence for number, sentence in enumerate(sentences, start=1))
