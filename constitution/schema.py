"""The JSON Schema of a constitution's file, for editors, and the table of its keys, for the documentation.

Both are made from the models, whose fields say what they mean. After a change to a model:

    python -m constitution.schema > constitution/constitution.schema.json
    python -m constitution.schema --table      # to be pasted into docs/constitution.md
"""

import json
import sys
from pathlib import Path

from constitution.document import Section
from constitution.file import ConstitutionFile, Selection
from constitution.model import Example, Principle, Turn, WorkedComparison

SCHEMA_PATH = Path(__file__).parent / "constitution.schema.json"

_TABLES: tuple[tuple[str, type[Section]], ...] = (
    ("The file", ConstitutionFile),
    ("A principle", Principle),
    ("An example", Example),
    ("A comparison", WorkedComparison),
    ("A turn of its `conversation`", Turn),
    ("`select`", Selection),
)


def json_schema() -> dict[str, object]:
    """The schema, in JSON Schema's draft 2020-12."""
    schema = ConstitutionFile.model_json_schema()
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **schema,
        "title": "A Solon constitution",
    }


def schema_text() -> str:
    """The schema as the committed file holds it."""
    return json.dumps(json_schema(), indent=2, ensure_ascii=False) + "\n"


def key_table() -> str:
    """All keys with their meaning, as Markdown tables."""
    return "\n".join(_rows(title, section) for title, section in _TABLES)


def _rows(title: str, section: type[Section]) -> str:
    lines = [f"| {title} | |", "| --- | --- |"]
    for name, field in section.model_fields.items():
        needed = " (needed)" if field.is_required() else ""
        lines.append(f"| `{name}`{needed} | {field.description} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.stdout.write(key_table() if "--table" in sys.argv else schema_text())
