"""Verifiers of an answer's form: it has a pattern, or is JSON that a schema allows."""

import json
from collections.abc import Sequence
from typing import Any

from training.verifiers.attempt import Attempt, BadReferenceError
from training.verifiers.place import answer_in
from training.verifiers.settings import VerifierSettings


def pattern(attempts: Sequence[Attempt], settings: VerifierSettings) -> list[float]:
    """1 where the regular expression is found; one that takes longer than `timeout_s` is not.

    It is Python's, read by the package `regex`, which can be stopped.
    """
    return [float(_found(each, settings)) for each in attempts]


def json_schema(attempts: Sequence[Attempt], settings: VerifierSettings) -> list[float]:
    """1 where the answer is JSON, and the schema (an object, or its text) allows it."""
    return [float(_allowed(each, settings)) for each in attempts]


def pattern_reference(attempt: Attempt, _settings: VerifierSettings) -> Any:
    """The compiled pattern; `BadReferenceError` where it is none."""
    import regex

    reference = attempt.reference
    if not isinstance(reference, str):
        raise BadReferenceError(f"the pattern is a {type(reference).__name__}, expected a regular expression")
    try:
        return regex.compile(reference)
    except regex.error as error:
        raise BadReferenceError(f"the reference is no regular expression: {error}") from error


def schema_reference(attempt: Attempt, _settings: VerifierSettings) -> Any:
    """What validates by the schema; `BadReferenceError` where it is none.

    A schema that points to another one somewhere else is not followed there.
    """
    from jsonschema import SchemaError
    from jsonschema.validators import validator_for
    from referencing import Registry

    reference = attempt.reference
    try:
        schema = json.loads(reference) if isinstance(reference, str) else reference
        if not isinstance(schema, dict):
            raise BadReferenceError(f"the schema is a {type(schema).__name__}, expected an object")
        kind = validator_for(schema)
        kind.check_schema(schema)
    except (SchemaError, json.JSONDecodeError) as error:
        raise BadReferenceError(f"the reference is no JSON Schema: {str(error).splitlines()[0]}") from error
    return kind(schema, registry=Registry())


def _found(attempt: Attempt, settings: VerifierSettings) -> bool:
    expression = pattern_reference(attempt, settings)
    text = answer_in(attempt.text, settings.answer_in or "text", tag=settings.tag)
    try:
        return expression.search(text or "", timeout=settings.timeout_s) is not None
    except TimeoutError:
        return False


def _allowed(attempt: Attempt, settings: VerifierSettings) -> bool:
    from referencing.exceptions import Unresolvable

    validator = schema_reference(attempt, settings)
    text = answer_in(attempt.text, settings.answer_in or "code", tag=settings.tag)
    try:
        return validator.is_valid(json.loads(text or "", parse_constant=_refuse))
    except Unresolvable as error:
        raise BadReferenceError(f"the schema points to what is not in it: {error}") from error
    except (ValueError, RecursionError):
        return False


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON")
