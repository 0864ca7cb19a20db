"""The committed schema and the documented keys are those of the models."""

from pathlib import Path

from constitution.load import LIBRARY
from constitution.schema import SCHEMA_PATH, json_schema, key_table, schema_text

DOCS = Path(__file__).parent.parent / "docs" / "constitution.md"


def test_the_committed_schema_is_the_generated_one() -> None:
    assert SCHEMA_PATH.read_text(encoding="utf-8") == schema_text(), (
        "run: python -m constitution.schema > constitution/constitution.schema.json"
    )


def test_every_key_is_described_once_and_shown_in_the_documentation() -> None:
    assert "None" not in key_table()
    assert key_table() in DOCS.read_text(encoding="utf-8"), (
        "paste the output of: python -m constitution.schema --table"
    )


def test_the_schema_refuses_unknown_keys_and_names_what_is_needed() -> None:
    schema = json_schema()
    assert schema["additionalProperties"] is False
    assert schema["required"] == ["name", "version"]


def test_each_shipped_file_points_an_editor_to_the_schema() -> None:
    for path in LIBRARY.glob("*.yaml"):
        first_line = path.read_text(encoding="utf-8").split("\n")[0]
        reference = first_line.removeprefix("# yaml-language-server: $schema=")
        assert (path.parent / reference).resolve() == SCHEMA_PATH
