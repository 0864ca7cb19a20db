"""The committed schema and the documented keys are those of the recipe's models."""

import json
from pathlib import Path

from solon.schema import json_schema, key_tables, schema_text

ROOT = Path(__file__).parent.parent
SCHEMA = ROOT / "recipes" / "recipe.schema.json"
DOCS = ROOT / "docs" / "recipes.md"


def test_the_committed_schema_is_the_generated_one() -> None:
    assert SCHEMA.read_text(encoding="utf-8") == schema_text(), (
        "run: python -m solon.schema > recipes/recipe.schema.json"
    )


def test_every_key_is_described_and_shown_in_the_documentation() -> None:
    tables = key_tables()
    assert " |  |" not in tables
    assert tables in DOCS.read_text(encoding="utf-8"), "paste the output of: python -m solon.schema --tables"


def test_a_section_that_stands_in_several_places_is_shown_once() -> None:
    tables = key_tables()
    assert tables.count("### `data.red_team`, `data.helpful`, `data.prompts`, `data.demonstrations`, ") == 1
    assert tables.count("trust_remote_code") == 1


def test_choices_are_shown_where_the_meaning_does_not_name_them() -> None:
    assert "(`linear`, `cosine`, `constant`, `constant_with_warmup`)" in key_tables()


def test_the_schema_refuses_unknown_keys_and_names_what_is_needed() -> None:
    schema = json_schema()
    assert schema["additionalProperties"] is False
    assert schema["required"] == ["name", "constitution"]
    assert json.loads(schema_text()) == schema


def test_each_recipe_points_an_editor_to_the_schema() -> None:
    recipes = sorted((ROOT / "recipes").glob("*/recipe.yaml"))
    assert recipes
    for path in recipes:
        first = path.read_text(encoding="utf-8").split("\n")[0]
        reference = first.removeprefix("# yaml-language-server: $schema=")
        assert (path.parent / reference).resolve() == SCHEMA.resolve()
