r"""Where in a text its answer stands: a text in, the answer out, or None where there is none.

A tag (`<answer>42</answer>`), LaTeX's `\boxed{42}`, GSM8K's `#### 42`, a fenced block of code. Of several
the last one counts, as the last word of somebody who thinks aloud does.
"""

import re

from training.verifiers.settings import Place

_HASHES = re.compile(r"^[ \t]*####[ \t]*(\S[^\n]*?)[ \t]*$", re.MULTILINE)
_BOXED = re.compile(r"\\f?boxed\s*\{")
_FENCE = re.compile(r"^```[^\n`]*\n(.*?)^```[ \t]*$", re.MULTILINE | re.DOTALL)


def answer_in(text: str, place: Place, *, tag: str = "answer") -> str | None:
    """The answer without the marks and the space around it; None where there is none, or an empty one."""
    if place == "text":
        return text.strip() or None
    if place == "code":
        return _last(_FENCE, text) or text.strip() or None
    if place == "marked":
        return tagged(text, tag) or boxed(text) or _last(_HASHES, text)
    if place == "tag":
        return tagged(text, tag)
    return boxed(text) if place == "boxed" else _last(_HASHES, text)


def tagged(text: str, tag: str) -> str | None:
    """What stands between the last opening tag that is closed and its end."""
    end = text.rfind(f"</{tag}>")
    start = text.rfind(f"<{tag}>", 0, max(end, 0))
    return text[start + len(tag) + 2 : end].strip() or None if -1 < start < end else None


def boxed(text: str) -> str | None:
    r"""What stands in the last `\boxed{…}` that is closed, braces within it included."""
    for opening in reversed(list(_BOXED.finditer(text))):
        depth = 1
        for place in range(opening.end(), len(text)):
            depth += {"{": 1, "}": -1}.get(text[place], 0)
            if depth == 0:
                return text[opening.end() : place].strip() or None
    return None


def _last(pattern: re.Pattern[str], text: str) -> str | None:
    found = pattern.findall(text)
    return (found[-1].strip() or None) if found else None
