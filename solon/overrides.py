"""A document and `--set key=value` in, the document with those values out, mistakes told as the user's words.

Stands between reading a recipe's YAML and checking it, so that what the command line says is checked like
what the file says, and an error names the one of the two that is wrong.
"""

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from constitution.document import Document, DocumentError, Problem, Value, Where, parse_document
from constitution.problem import SECRET_KEY

FORM = "--set key=value, as in --set training.sft.learning_rate=1e-4"


@dataclass(frozen=True, slots=True)
class _Override:
    """One `--set`: which key, which value, and how errors show it."""

    where: Where
    value: Value
    written: str
    shown: str


@dataclass(frozen=True, slots=True)
class _OverriddenDocument(Document):
    """A document some of whose values come from the command line."""

    overrides: Mapping[Where, _Override]

    def problem(
        self,
        where: Where,
        what: str,
        *,
        on_key: bool = False,
        expected: str = "",
        suggestion: str = "",
        next_step: str = "",
    ) -> Problem:
        """A problem of the file, or of the `--set` that wrote what is at `where`."""
        origin = self._origin(where)
        if origin is not None:
            return Problem(origin.shown, what, expected=expected, suggestion=suggestion, next_step=next_step)
        # Named in full: in a dataclass with slots, `super()` means the class that it was made from.
        return Document.problem(
            self, where, what, on_key=on_key, expected=expected, suggestion=suggestion, next_step=next_step
        )

    def _origin(self, where: Where) -> _Override | None:
        for set_at, origin in self.overrides.items():
            below = where[: len(set_at)] == set_at
            above = bool(where) and where == set_at[: len(where)] and where not in self.values
            if below or above:
                return origin
        return None


def override(document: Document, settings: Sequence[str]) -> Document:
    """The document with each `dotted.key=value` written over it, later ones over earlier ones.

    `DocumentError` where one is not of that form, or reaches into a value that has no keys.
    """
    if not settings:
        return document
    data = copy.deepcopy(document.data)
    overrides: dict[Where, _Override] = {}
    for setting in settings:
        parsed = _parse(setting)
        _write(data, parsed)
        overrides = {where: kept for where, kept in overrides.items() if not _covers(parsed.where, where)}
        overrides[parsed.where] = parsed
    written = {**document.written, **{found.where: found.written for found in overrides.values()}}
    return _OverriddenDocument(
        document.source,
        data,
        document.lines,
        values=document.values,
        keys=document.keys,
        written=written,
        overrides=overrides,
    )


def _covers(where: Where, other: Where) -> bool:
    return other[: len(where)] == where


def _parse(setting: str) -> _Override:
    key, equals, written = setting.partition("=")
    where = tuple(key.strip().split("."))
    shown = f"--set {key}=…" if SECRET_KEY.search(key.strip()) else f"--set {setting}"
    if not equals or not all(where):
        raise DocumentError(Problem(f"--set {key}", "no key and value", expected=FORM))
    return _Override(where, _value(written, shown), written.strip(), shown)


def _value(written: str, shown: str) -> Value:
    try:
        data = parse_document(f"value: {written}", shown).data
    except DocumentError as error:
        first = error.problems[0]
        problem = Problem(shown, first.what, expected=first.expected, next_step=first.next_step)
        raise DocumentError(problem) from None
    if list(data) != ["value"]:
        raise DocumentError(Problem(shown, "more than one value", expected=FORM))
    return data["value"]


def _write(data: dict[str, Value], setting: _Override) -> None:
    inner = data
    for depth, key in enumerate(setting.where[:-1]):
        if inner.get(str(key)) is None:
            inner[str(key)] = {}
        step = inner[str(key)]
        if not isinstance(step, dict):
            name = ".".join(map(str, setting.where[: depth + 1]))
            raise DocumentError(Problem(setting.shown, f"`{name}` is a value and has no keys below it"))
        inner = step
    inner[str(setting.where[-1])] = setting.value
