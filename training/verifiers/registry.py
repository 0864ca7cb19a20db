"""The registry of verifiers, by the names that `check:` of a recipe has; and what their references must be.

`VERIFIERS` are plain functions of attempts and settings. A program that calls Solon adds its own before it
reads a recipe. `REFERENCES` has, for those that can tell, a function that raises `BadReferenceError` where no
answer could be held against a reference, so that it is found before anything is sampled.
"""

from collections.abc import Callable, Mapping

from constitution.document import unknown_name
from training.verifiers.attempt import Attempt, BadReferenceError, Verifier
from training.verifiers.form import json_schema, pattern, pattern_reference, schema_reference
from training.verifiers.maths import maths, maths_reference
from training.verifiers.python_tests import python_tests, tests_reference
from training.verifiers.settings import VerifierSettings
from training.verifiers.values import exact, number, number_reference, reference_text

VERIFIERS: dict[str, Verifier] = {
    "exact": exact,
    "number": number,
    "maths": maths,
    "pattern": pattern,
    "json_schema": json_schema,
    "python_tests": python_tests,
}

REFERENCES: dict[str, Callable[[Attempt, VerifierSettings], object]] = {
    "exact": reference_text,
    "number": number_reference,
    "maths": maths_reference,
    "pattern": pattern_reference,
    "json_schema": schema_reference,
    "python_tests": tests_reference,
}


def require_registered(settings: VerifierSettings) -> VerifierSettings:
    """The settings; `ValueError` with the names that there are where they name no verifier."""
    if settings.check not in VERIFIERS:
        raise ValueError(unknown_name("verifier", settings.check, VERIFIERS))
    return settings


def reference_of(columns: Mapping[str, object], settings: VerifierSettings) -> object:
    """What a row is held against; None where its column is null, so that the check does not apply.

    Raises:
        BadReferenceError: the row has no such column.
    """
    if settings.reads is None:
        return settings.reference
    if settings.reads not in columns:
        raise BadReferenceError(f"there is no column `{settings.reads}`, which check: {settings.check} reads")
    return columns[settings.reads]


def check_reference(columns: Mapping[str, object], settings: VerifierSettings) -> None:
    """`BadReferenceError` where a row's answers cannot be held against anything."""
    reference = reference_of(columns, settings)
    sound = REFERENCES.get(settings.check)
    if reference is not None and sound is not None:
        sound(Attempt("", reference), settings)
