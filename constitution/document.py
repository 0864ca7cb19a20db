"""From a document's plain data to a typed model, every mismatch told with its place in the file.

In: a `Document` (see `strict_yaml`). Out: a `Section`, the kind of model that constitutions and recipes are
made of. This is the module that readers of YAML import: reading, checking and the one error are all here.
"""

import json
import re
import textwrap
from collections.abc import Iterator
from dataclasses import replace
from typing import Literal, TypeVar, get_args, get_origin

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import ErrorDetails

from constitution.problem import SECRET_KEY, DocumentError, Problem, nearest, unknown_name
from constitution.strict_yaml import Document, Value, Where, parse_document, read_document, read_text

__all__ = [
    "Document",
    "DocumentError",
    "Problem",
    "Section",
    "Value",
    "Where",
    "nearest",
    "parse_document",
    "read_document",
    "read_text",
    "unknown_name",
    "validate",
]


class Section(BaseModel):
    """A part of a YAML file: nothing unknown, nothing converted, nothing changed after reading.

    From YAML (`validate`) a list fills a tuple, text fills a `Path` or a `Literal`, a whole number fills a
    float; from Python the exact type is wanted.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


Model = TypeVar("Model", bound=Section)


def validate(document: Document, model: type[Model], *, at: Where = ()) -> Model:
    """The part of the document at `at`, as a `model`; `DocumentError` lists everything that does not fit."""
    data = _data_at(document, at)
    try:
        # As JSON, since pydantic's strict mode then knows that lists stand for tuples and text for paths.
        return model.model_validate_json(json.dumps(data))
    except ValidationError as error:
        problems = _Mismatches(document, model, at).problems(error)
    raise DocumentError(*problems)


def _data_at(document: Document, at: Where) -> Value:
    data: Value = document.data
    for depth, step in enumerate(at):
        if not _has(data, step):
            raise DocumentError(document.problem(at[:depth], f"`{_spelled(at[: depth + 1])}` is missing"))
        data = data[step]  # type: ignore[index]
    return data


def _has(data: Value, step: str | int) -> bool:
    if isinstance(data, dict):
        return step in data
    return isinstance(data, list) and isinstance(step, int) and step < len(data)


def _spelled(where: Where) -> str:
    text = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in where)
    return text.removeprefix(".")


_KINDS = {
    "string_type": "text",
    "path_type": "a path, as text",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "tuple_type": "a list",
    "list_type": "a list",
    "set_type": "a list",
    "frozen_set_type": "a list",
    "dict_type": "a mapping (`key: value` lines)",
    "model_type": "a mapping (`key: value` lines)",
    "model_attributes_type": "a mapping (`key: value` lines)",
    "none_required": "null",
    "finite_number": "a finite number",
}


class _Mismatches:
    """Reads pydantic's errors back into the document's own terms."""

    def __init__(self, document: Document, model: type[Section], at: Where) -> None:
        self.document = document
        self.model = model
        self.at = at

    def problems(self, error: ValidationError) -> list[Problem]:
        """One problem for each thing that is wrong, in the file's order."""
        found = [self._problem(details) for details in error.errors(include_url=False)]
        merged: dict[tuple[int | None, int | None, str], Problem] = {}
        for problem in found:
            # The branches of a union fail one by one at the same place: one problem, several expectations.
            key = (problem.line, problem.column, problem.what)
            merged[key] = _either(merged[key], problem) if key in merged else problem
        return sorted(merged.values(), key=lambda problem: (problem.line or 0, problem.column or 0))

    def _problem(self, details: ErrorDetails) -> Problem:
        loc = details["loc"]
        match details["type"]:
            case "extra_forbidden":
                return self._unknown_key(loc)
            case "missing":
                return self._missing_key(loc)
            case "union_tag_invalid" | "union_tag_not_found":
                return self._unknown_kind(details)
            case "value_error" | "assertion_error":
                return self._refused(details)
            case _:
                return self._wrong_value(details)

    def _unknown_key(self, loc: Where) -> Problem:
        where, name = self._where(loc), str(loc[-1])
        names = [name for section in self._sections(loc[:-1]) for name in _keys_of(section)]
        suggestion = nearest(name, names)
        expected = f"one of {', '.join(dict.fromkeys(names))}"
        return self.document.problem(
            where, f"unknown key `{name}`", on_key=True, expected=expected, suggestion=suggestion
        )

    def _missing_key(self, loc: Where) -> Problem:
        name = str(loc[-1])
        described = [_keys_of(section).get(name) for section in self._sections(loc[:-1])]
        meaning = next((text for text in described if text), "a value")
        return self.document.problem(
            self._where(loc[:-1]), f"`{name}` is missing", expected=f"`{name}:` {meaning}"
        )

    def _unknown_kind(self, details: ErrorDetails) -> Problem:
        context = details.get("ctx", {})
        key = str(context["discriminator"]).strip("'")
        where = self._where(details["loc"])
        if "tag" not in context:
            kinds = ", ".join(_literals(self._sections(details["loc"]), key))
            return self.document.problem(where, f"`{key}` is missing", expected=f"`{key}:` one of {kinds}")
        return self._choice((*where, key), str(context["expected_tags"]))

    def _refused(self, details: ErrorDetails) -> Problem:
        where = self._where(details["loc"])
        message = str(details.get("ctx", {}).get("error", details["msg"]))
        name = _spelled(where)
        return self.document.problem(
            where, f"`{name}`: {message}" if name else message, on_key=details["loc"][-1:] == ("[key]",)
        )

    def _wrong_value(self, details: ErrorDetails) -> Problem:
        where, kind = self._where(details["loc"]), details["type"]
        if kind in ("literal_error", "enum"):
            return self._choice(where, str(details.get("ctx", {})["expected"]))
        expected = _KINDS.get(kind) or details["msg"].replace("Input should be ", "")
        value = self._value(where)
        if kind == "string_too_short" and isinstance(value, str) and not value.strip():
            return self.document.problem(where, f"`{_spelled(where)}` is blank", expected="text")
        next_step = _mending(value, self.document.written.get(where, ""), expected)
        return self.document.problem(where, self._found(where), expected=expected, next_step=next_step)

    def _choice(self, where: Where, expected: str) -> Problem:
        names = re.findall(r"'([^']*)'", expected)
        value = self._value(where)
        suggestion = nearest(value, names) if isinstance(value, str) else ""
        return self.document.problem(
            where, self._found(where), expected=f"one of {', '.join(names)}", suggestion=suggestion
        )

    def _found(self, where: Where) -> str:
        name = _spelled(where) or "the file"
        secret = bool(where) and SECRET_KEY.search(str(where[-1])) is not None
        written = "…" if secret else self.document.written.get(where, "")
        return f"`{name}` is {_named(self._value(where), written)}"

    def _value(self, where: Where) -> Value:
        return _data_at(self.document, where)

    def _where(self, loc: Where) -> Where:
        """Pydantic's location without its union tags and `[key]` marks: a path that is in the document."""
        where, data = self.at, self._value(self.at)
        for step in loc:
            if _has(data, step):
                where, data = (*where, step), data[step]  # type: ignore[index]
        return where

    def _sections(self, loc: Where) -> list[type[Section]]:
        """The models that could stand at a location; several where the field is a union."""
        sections: list[type[Section]] = [self.model]
        for step in loc:
            if isinstance(step, int):
                continue
            inner = [field for section in sections if (field := _annotation(section, step)) is not None]
            if inner:
                sections = [section for field in inner for section in _sections_in(field)]
            else:
                sections = [section for section in sections if _answers_to(section, step)] or sections
        return sections


def _keys_of(section: type[Section]) -> dict[str, str]:
    """The keys that a section has in YAML, with what each means."""
    return {field.alias or name: field.description or "" for name, field in section.model_fields.items()}


def _annotation(section: type[Section], key: str) -> object | None:
    fields = section.model_fields.items()
    return next((field.annotation for name, field in fields if key in (name, field.alias)), None)


def _sections_in(annotation: object) -> Iterator[type[Section]]:
    if isinstance(annotation, type) and get_origin(annotation) is None and issubclass(annotation, Section):
        yield annotation
    for argument in get_args(annotation):
        yield from _sections_in(argument)


def _literals(sections: list[type[Section]], key: str) -> list[str]:
    return [str(value) for section in sections for value in get_args(_annotation(section, key))]


def _answers_to(section: type[Section], tag: str) -> bool:
    """Whether a union tag means this section: its class name, or a value of one of its `Literal` fields."""
    literals = [field.annotation for field in section.model_fields.values()]
    values = [value for literal in literals if get_origin(literal) is Literal for value in get_args(literal)]
    return section.__name__ == tag or tag in values


def _either(first: Problem, second: Problem) -> Problem:
    if second.expected in first.expected.split(" or "):
        return first
    return replace(
        first,
        expected=f"{first.expected} or {second.expected}",
        suggestion=first.suggestion or second.suggestion,
    )


def _named(value: Value, written: str) -> str:
    """What was found, in words: boolean `no`, number `1.0`, text `abc`, a list, empty."""
    match value:
        case None:
            return "empty"
        case bool():
            return f"boolean `{written}`"
        case int() | float():
            return f"number `{written}`"
        case str():
            return f"text `{_short(written)}`" if written.strip() else "blank"
        case list():
            return "a list"
        case dict():
            return "a mapping"


def _short(text: str) -> str:
    """At most 60 characters on one line, control characters spelled out for the terminal's sake."""
    shown = textwrap.shorten(text, 60, placeholder="…")
    return shown if shown.isprintable() else shown.encode("unicode_escape").decode("ascii")


def _mending(value: Value, written: str, expected: str) -> str:
    """The next step, where the mismatch shows what was meant."""
    match value:
        case None:
            return "give a value, or remove the key"
        case bool() | int() | float() if "text" in expected:
            return f'write "{written}" in quotes'
        case str() if "number" in expected and re.fullmatch(r"[-+]?[0-9][0-9_]*\.?[0-9]*", written):
            return f"write {written.replace('_', '')} without quotes"
        case str() if expected == "true or false" and written.lower() in ("true", "false"):
            return f"write {written.lower()} without quotes"
        case str() if expected == "a list" and "\n" not in written and len(written) < 60:
            return f"write [{written}]"
        case _:
            return ""
