"""The mark around what others wrote inside a prompt: a call's texts in, a mark that none of them holds out.

A judge is told the mark and reads whatever stands between two of them as text. A response cannot close its
own fence, nor open another one, since the mark is made last: it follows from all texts of the call together,
the other response among them, and one that occurs in any of them is passed over. Whoever writes a mark into a
response thereby changes the mark. That holds against an author who knows every text of the call, so it needs
no secret and no seed: the same call has the same mark, and its answer stays in the journal.

Neither the texts' order nor the principle counts, so both orders of a pair under all principles share it, and
with it the beginning of their prompts.
"""

import hashlib
from collections.abc import Iterable
from itertools import count

DIGITS = 8


def fence(texts: Iterable[str]) -> str:
    """Eight hexadecimal digits that occur in none of the texts, in whatever case; the same for any order."""
    found = sorted(texts)
    whole = hashlib.sha256()
    for text in found:
        # Each text by its digest, so that no two lists of texts run together into one.
        whole.update(hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest())
    folded = [text.casefold() for text in found]
    for attempt in count():
        mark = hashlib.sha256(whole.digest() + attempt.to_bytes(8)).hexdigest()[:DIGITS]
        if not any(mark in text for text in folded):
            return mark
    raise AssertionError("never reached: no text holds all marks")
