"""The part of a recipe that names a verifier: which check, against what, and where in a text an answer is."""

from collections.abc import Mapping
from typing import Literal

from pydantic import Field

from constitution.document import Section

Place = Literal["text", "tag", "boxed", "hashes", "marked", "code"]

_COLUMNS: Mapping[str, str] = {"pattern": "pattern", "json_schema": "schema", "python_tests": "tests"}


class VerifierSettings(Section):
    """A check of an answer against a reference that the prompt's row has."""

    check: str = Field(
        description="a name of `training.verifiers.registry`: exact, number, maths, pattern, json_schema, "
        "python_tests"
    )
    column: str | None = Field(
        default=None,
        min_length=1,
        description="the column of the prompts' rows with the reference (null in a row: the check does not "
        "apply to it); null: `answer`, by the last three checks `pattern`, `schema`, `tests`",
    )
    reference: str | None = Field(
        default=None, description="one reference for all prompts, in place of a column"
    )
    answer_in: Place | None = Field(
        default=None,
        description="where the answer is: `text`, all of it; `tag`, <answer>…</answer>; `boxed`, \\boxed{…}; "
        "`hashes`, behind ####; `marked`, any of these three; `code`, a fenced block, or all where there is "
        "none. Of several the last counts. null: marked by the first three checks, text by pattern, code by "
        "the others",
    )
    tag: str = Field(default="answer", pattern=r"^\w+$", description="the tag's name")
    timeout_s: float = Field(
        default=5.0,
        gt=0,
        description="seconds for one pattern, comparison or program; then it fails",
    )
    memory_mb: int = Field(
        default=512, ge=64, description="memory of a process that compares or runs a program, in MiB"
    )
    name: str | None = Field(
        default=None, min_length=1, description="what logs call it; null: the check's name"
    )

    @property
    def reads(self) -> str | None:
        """The column that is read; None where one reference serves for all."""
        if self.reference is not None:
            return None
        return self.column or _COLUMNS.get(self.check, "answer")
