"""The JSON Schema of a recipe, for editors, and the tables of its keys, for the documentation.

Both are made from the models, whose fields say what they mean. After a change to a model:

    python -m solon.schema > recipes/recipe.schema.json
    python -m solon.schema --tables      # to be pasted into docs/recipes.md
"""

import json
import sys
from collections.abc import Iterator
from types import NoneType
from typing import Literal, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from constitution.document import Section
from solon.recipe import Recipe


def json_schema() -> dict[str, object]:
    """The schema, in JSON Schema's draft 2020-12."""
    schema = Recipe.model_json_schema()
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "title": "A Solon recipe"}


def schema_text() -> str:
    """The schema as the committed file holds it."""
    return json.dumps(json_schema(), indent=2, ensure_ascii=False) + "\n"


def key_tables() -> str:
    """Every section's keys, their defaults and meanings, as Markdown tables; one used twice comes once."""
    places: dict[type[Section], list[str]] = {}
    for place, section in _sections(Recipe, ""):
        places.setdefault(section, []).append(place)
    return "\n".join(_table(section, where) for section, where in places.items())


def _sections(section: type[Section], place: str) -> Iterator[tuple[str, type[Section]]]:
    yield place, section
    for name, field in section.model_fields.items():
        for inner in _inner(field.annotation):
            yield from _sections(inner, f"{place}.{name}".removeprefix("."))


def _inner(annotation: object) -> Iterator[type[Section]]:
    if isinstance(annotation, type) and get_origin(annotation) is None and issubclass(annotation, Section):
        yield annotation
    for argument in get_args(annotation):
        yield from _inner(argument)


def _table(section: type[Section], places: list[str]) -> str:
    title = ", ".join(f"`{place}`" for place in places if place) or "The recipe"
    about = " ".join((section.__doc__ or "").split("\n\n")[0].split())
    lines = [f"### {title}", "", about, "", "| key | default | |", "| --- | --- | --- |"]
    fields = section.model_fields.items()
    lines += [f"| `{name}` | {_default(field)} | {_meaning(field)} |" for name, field in fields]
    return "\n".join(lines) + "\n"


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "(needed)"
    value = field.get_default(call_default_factory=True)
    if isinstance(value, BaseModel):
        changed = value.model_dump(mode="json", exclude_defaults=True)
        return f"`{_flow(changed)}`" if changed else "its defaults"
    return f"`{_flow(value)}`"


def _flow(value: object) -> str:
    if isinstance(value, str):
        return value
    text = json.dumps(list(value) if isinstance(value, tuple) else value, default=_said)
    return text.replace('"', "")


def _said(section: BaseModel) -> object:
    """What a section of a default says beyond its own defaults."""
    return section.model_dump(mode="json", exclude_defaults=True)


def _meaning(field: FieldInfo) -> str:
    text = (field.description or "").replace("|", "\\|")
    choices = list(dict.fromkeys(_choices(field.annotation)))
    named = all(choice in text for choice in choices)
    return text if named else f"{text} ({', '.join(f'`{choice}`' for choice in choices)})"


def _choices(annotation: object) -> Iterator[str]:
    """The values of a `Literal`, wherever in the annotation it stands."""
    if get_origin(annotation) is Literal:
        yield from map(str, get_args(annotation))
    elif annotation is not NoneType:
        for argument in get_args(annotation):
            yield from _choices(argument)


if __name__ == "__main__":
    sys.stdout.write(key_tables() if "--tables" in sys.argv else schema_text())
