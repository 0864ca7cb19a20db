"""Rows in, requests out: what a prompt file must hold, and that none of it is held out and trained on.

A row has a `prompt` (text, or messages as TRL writes them) or else `messages`, which end with the user's
turn; an `id`, made from the content where there is none; a `category`; and any other columns, which are
kept. Everything that is wrong is an `InputError` with its file and line or row.
"""

import hashlib
import json
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from constitution.document import Problem
from critique.model import Kind, Request
from pipeline.index import Index
from pipeline.row_content import EXPECTED, PROMPT_COLUMNS, conversation_of, name_of
from pipeline.rows import InputError, Row
from prompts.message import Conversation, as_dicts
from solon.recipe import Source
from solon.rows import read_rows

__all__ = [
    "InputError",
    "check_apart",
    "check_disjoint",
    "check_requests",
    "iter_requests",
    "read_requests",
]

PROBLEMS_SHOWN = 10
_KNOWN = {*PROMPT_COLUMNS, "id", "category"}


def read_requests(source: Source, kind: Kind, *, base: Path) -> list[Request]:
    """Every row of a source as a request, in order; a relative path starts at the folder `base`.

    Raises:
        InputError: with up to ten problems; no rows at all is one too.
    """
    return list(_sound(source, kind, base, problems_shown=PROBLEMS_SHOWN))


def iter_requests(source: Source, kind: Kind, *, base: Path) -> Iterator[Request]:
    """The same requests one after another, for any number of them; `InputError` at the first problem."""
    return _sound(source, kind, base, problems_shown=1)


def check_requests(source: Source, kind: Kind, *, base: Path) -> int:
    """How many requests there are; raises as `read_requests` does, and keeps none of them."""
    return sum(1 for _ in _sound(source, kind, base, problems_shown=PROBLEMS_SHOWN))


def _sound(source: Source, kind: Kind, base: Path, *, problems_shown: int) -> Iterator[Request]:
    """Requests as long as nothing is wrong; problems are gathered up to a number and raised together."""
    problems: list[Problem] = []
    ids, names, count = _Ids(), _Names(), 0
    for row in read_rows(source, base=base):
        try:
            request = _request(row, kind, names=names)
            ids.add(row, request.id)
        except InputError as error:
            problems += error.problems
            if len(problems) >= problems_shown:
                break
            continue
        count += 1
        if not problems:
            yield request
    if problems:
        raise InputError(*problems)
    if not count:
        problem = Problem(str(base / source.path), "no prompts: the file is empty", expected=EXPECTED)
        raise InputError(problem)


class _Ids:
    """The ids of a source with their places, in a few bytes each: a source may have millions of rows."""

    def __init__(self) -> None:
        self._places = Index()

    def add(self, row: Row, name: str) -> None:
        """`InputError` where the id is there already."""
        digest = _digest(name)
        first = next(self._places.candidates(digest), None)
        if first is not None:
            place = replace(row, line=first if row.line else None, number=first).place
            what = f"the id `{name}` is there already, at {place}"
            step = "give each row an id of its own, or none"
            raise InputError(row.problem(what, key="id", next_step=step))
        self._places.add(digest, row.line or row.number)


class _Names:
    """Names made from content: a prompt's repetitions are numbered."""

    def __init__(self) -> None:
        self._seen = Index()
        self._repeated = Counter[str]()

    def numbered(self, name: str) -> str:
        digest = _digest(name)
        if next(self._seen.candidates(digest), None) is None:
            self._seen.add(digest, 0)
            return name
        self._repeated[name] += 1
        return f"{name}-{self._repeated[name] + 1}"


def _digest(name: str) -> bytes:
    return hashlib.sha256(name.encode(errors="surrogatepass")).digest()[:16]


def check_disjoint(train: Iterable[Request], held_out: Sequence[Request]) -> None:
    """`InputError` where a held-out prompt is in training, however it is cased, spaced and punctuated.

    A held-out prompt counts as seen where it is the whole of what the user says in a training conversation,
    or one of the user's turns there.
    """
    texts = [_normalised(" ".join(_said(request))) for request in held_out]
    seen: dict[str, str] = {}
    wanted = frozenset(texts)
    for request in train:
        said = _said(request)
        for text in map(_normalised, (*said, " ".join(said))):
            if text in wanted:
                seen.setdefault(text, request.id)
    both = [(request, seen.get(text)) for request, text in zip(held_out, texts, strict=True)]
    leaks = [(request, owner) for request, owner in both if owner is not None]
    if leaks:
        raise InputError(_leaked(leaks))


def check_apart(first: Iterable[Request], second: Iterable[Request], *, names: tuple[str, str]) -> None:
    """`InputError` where two sources that are used together have a row of the same id; `names` says which."""
    ids = Index()
    for request in first:
        ids.add(_digest(request.id), 0)
    shared = next(
        (other.id for other in second if any(True for _ in ids.candidates(_digest(other.id)))), None
    )
    if shared is not None:
        step = "give each row an id of its own, or leave `id` out of one of the two"
        what = f"both have a row with the id `{shared}`"
        raise InputError(Problem(" and ".join(names), what, next_step=step))


def _request(row: Row, kind: Kind, *, names: _Names) -> Request:
    said = conversation_of(row)
    return Request(
        id=_id(row, kind, said, names=names),
        kind=kind,
        conversation=said,
        category=name_of(row, "category"),
        columns=_other_columns(row),
    )


def _other_columns(row: Row) -> str:
    """What else the row holds, as a JSON object; dates and other things without a form in JSON as text."""
    others = {str(key): value for key, value in row.values.items() if key not in _KNOWN}
    return json.dumps(others, default=str)


def _id(row: Row, kind: Kind, said: Conversation, *, names: _Names) -> str:
    """The row's own id, or one made from what is said; a prompt's repetitions are numbered."""
    value = row.values.get("id")
    if value is not None:
        given = name_of(row, "id")
        if not given.strip():
            raise InputError(row.problem("`id` is blank", key="id", next_step="remove it, or give one"))
        return given
    text = json.dumps(as_dicts(said), sort_keys=True)
    name = f"{kind.replace('_', '-')}-{hashlib.sha256(text.encode()).hexdigest()[:12]}"
    return names.numbered(name)


def _leaked(leaks: Sequence[tuple[Request, str]]) -> Problem:
    shown = [f"`{request.id}` is `{owner}` of the training data" for request, owner in leaks[:PROBLEMS_SHOWN]]
    if len(leaks) > PROBLEMS_SHOWN:
        shown.append("…")
    count = "a held-out prompt is" if len(leaks) == 1 else f"{len(leaks)} held-out prompts are"
    return Problem(
        "evaluation",
        f"{count} trained on too: {', '.join(shown)}",
        expected="held-out prompts that no stage has seen",
        next_step="take these rows out of one of the two files",
    )


def _said(request: Request) -> list[str]:
    return [message.content for message in request.conversation if message.role == "user"]


def _normalised(text: str) -> str:
    """Lower case, one space between words, no punctuation; a text of punctuation alone stays as it is."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    return " ".join("".join(_letters(folded)).split()) or folded.strip()


def _letters(text: str) -> Iterator[str]:
    for mark in text:
        kind = unicodedata.category(mark)
        # An apostrophe stands inside a word; other punctuation stands between two.
        if mark in "'’":
            continue
        yield " " if kind[0] in "PZC" else mark
