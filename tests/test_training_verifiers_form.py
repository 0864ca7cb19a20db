"""Patterns and JSON: found or allowed, whatever a model writes; a broken reference is an error."""

import pytest

from training.verifiers.attempt import Attempt, BadReferenceError
from training.verifiers.form import json_schema, pattern
from training.verifiers.settings import VerifierSettings

PATTERN, SCHEMA = VerifierSettings(check="pattern"), VerifierSettings(check="json_schema")
PERSON = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "age": {"type": "integer", "minimum": 0}},
    "required": ["name"],
    "additionalProperties": False,
}


def test_a_pattern_is_found_in_the_whole_text() -> None:
    attempts = [Attempt(text, r"\A<think>.+</think>\s*\S") for text in ("<think>so</think> 4", "4", "")]
    assert pattern(attempts, PATTERN) == [1, 0, 0]


def test_a_pattern_that_takes_too_long_is_not_found() -> None:
    settings = VerifierSettings(check="pattern", timeout_s=0.2)
    assert pattern([Attempt("a" * 4000 + "!", r"(a|aa)+$")], settings) == [0]


@pytest.mark.parametrize(
    ("text", "right"),
    [
        ('{"name": "Ada", "age": 36}', 1),
        ('Here:\n```json\n{"name": "Ada"}\n```\n', 1),
        ('{"name": "Ada", "age": -1}', 0),
        ('{"name": "Ada", "shoe": 38}', 0),
        ('{"age": 36}', 0),
        ('{"name": "Ada", "age": NaN}', 0),
        ("{", 0),
        ("", 0),
        ("[" * 100_000, 0),
        ('"Ada"', 0),
    ],
)
def test_json_is_right_where_the_schema_allows_it(text: str, right: float) -> None:
    assert json_schema([Attempt(text, PERSON)], SCHEMA) == [right]


def test_a_schema_may_be_text() -> None:
    assert json_schema([Attempt("3", '{"type": "integer"}')], SCHEMA) == [1]


@pytest.mark.parametrize("schema", ["{", {"type": "nonsense"}, 3, None])
def test_a_broken_schema_is_an_error(schema: object) -> None:
    with pytest.raises(BadReferenceError):
        json_schema([Attempt("{}", schema)], SCHEMA)


def test_a_schema_elsewhere_is_not_fetched() -> None:
    schema = {"$ref": "http://127.0.0.1:9/schema.json"}
    with pytest.raises(BadReferenceError, match="points to what is not in it"):
        json_schema([Attempt("{}", schema)], SCHEMA)


@pytest.mark.parametrize("reference", ["(", 3, None])
def test_a_broken_pattern_is_an_error(reference: object) -> None:
    with pytest.raises(BadReferenceError, match="regular expression"):
        pattern([Attempt("x", reference)], PATTERN)
