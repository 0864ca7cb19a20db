"""A response taken apart as graders read it: text in, sentences out.

The assistant's own voice is what counts, so quoted speech is left out: its "I" is somebody else.
"""

import re

READ_CHARACTERS = 20_000
SENTENCE_CHARACTERS = 1_000
"""Bounds on what is read, so that a runaway response costs no more than a long one."""


def sentences(response: str) -> list[str]:
    """Sentences in lower case with straight quotes, without Markdown marks and without quoted speech."""
    text = response[:READ_CHARACTERS].lower().translate(str.maketrans("’‘“”", "''\"\""))
    text = re.sub(r"\s+", " ", re.sub(r"[*_#>`]", "", text)).strip()
    wholly_quoted = text.startswith('"') and text.count('"') <= 2
    text = text.strip('"') if wholly_quoted else re.sub(r'"[^"]*"', '""', text)
    parts = re.split(r"(?<=[.!?]) ", text)
    return [part[:SENTENCE_CHARACTERS] for part in parts if re.search(r"\w", part)]
