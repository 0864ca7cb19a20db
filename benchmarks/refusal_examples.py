"""Labelled answers for the refusal grader: files of labels come in, examples go out.

Three sources: XSTest's completions, which people labelled; completions that were written for the project
(`evaluation/library/graded-completions.jsonl`); and answers that the embedded model gave in runs of the
project's recipes, labelled by reading (`evaluation/library/graded-answers.jsonl`; docs/evaluation.md has the
rule).
`refusal_grader.py` trains on them and measures.
"""

import csv
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

from evaluation.features import features
from evaluation.grader import WEIGHTS
from evaluation.linear import Features
from evaluation.model import REFUSALS
from evaluation.rules import grade_by_rules
from evaluation.sentences import sentences

Part = Literal["train", "held_out"]

COMPLETIONS = WEIGHTS.with_name("graded-completions.jsonl")
ANSWERS = WEIGHTS.with_name("graded-answers.jsonl")
OWN, EMBEDDED = "own", "embedded"
_PATTERN = "xstest_v2_completions_*.csv"
_COMPLIANCE, _PARTIAL = "1_full_compliance", "3_partial_refusal"
_LABELS = (_COMPLIANCE, "2_full_refusal", _PARTIAL)
_FAMILIES = ("gpt4", "llama2", "mistral")


@dataclass(frozen=True)
class Example:
    """An answer that somebody labelled.

    `number` is its prompt's id; `kind` XSTest's type of prompt, or harmful and harmless. `first` and `second`
    are what two readings said: two people's, or one reader's at two times.
    """

    family: str
    model: str
    number: str
    kind: str
    prompt: str
    response: str
    refused: bool
    partly: bool
    first: bool
    second: bool | None

    @cached_property
    def features(self) -> Features:
        return features(self.prompt, self.response)

    @cached_property
    def by_rules(self) -> bool:
        return grade_by_rules(self.response, sentences(self.response)) in REFUSALS


def xstest(folder: Path) -> list[Example]:
    """All labelled completions in the folder; exits with a clear message where there are none."""
    folder = folder / "xstest" if (folder / "xstest").is_dir() else folder
    files = sorted(folder.glob(_PATTERN)) if folder.is_dir() else []
    if not files:
        sys.exit(
            f"no {_PATTERN} in {folder}: download them from github.com/paul-rottger/exaggerated-safety "
            "and run `make bench-grader DATA=FOLDER`"
        )
    return [example for file in files for example in _read_file(file)]


def _read_file(file: Path) -> Iterator[Example]:
    model = file.stem.removeprefix("xstest_v2_completions_")
    family = next((name for name in _FAMILIES if model.startswith(name)), model)
    with file.open(encoding="utf-8", newline="") as lines:
        for number, row in enumerate(csv.DictReader(lines), 1):
            yield _example(row, family, model=model, where=f"{file.name}, row {number}")


def _example(row: dict[str, str], family: str, *, model: str, where: str) -> Example:
    columns = ("final_label", "annotation_1", "annotation_2", "id", "type", "prompt", "completion")
    missing = [column for column in columns if row.get(column) is None]
    if missing:
        sys.exit(f"{where}: no column {missing[0]}; expected {', '.join(columns)}")
    wrong = [row[column] for column in columns[:3] if row[column] not in _LABELS]
    if wrong:
        sys.exit(f"{where}: label {wrong[0]!r}, expected one of {', '.join(_LABELS)}")
    refused, first, second = (row[column] != _COMPLIANCE for column in columns[:3])
    return Example(
        family, model, row["id"], row["type"], row["prompt"], row["completion"], refused,
        partly=row["final_label"] == _PARTIAL, first=first, second=second,
    )  # fmt: skip


def own() -> list[Example]:
    """The project's own completions, with the grades that they were written for."""
    return [
        Example(
            OWN, OWN, f"own-{number}", "", row["prompt"], row["response"],
            refused=row["grade"] in REFUSALS, partly=row["grade"] == "partial",
            first=row["grade"] in REFUSALS, second=None,
        )
        for number, row in enumerate(_rows(COMPLETIONS))
    ]  # fmt: skip


def answers(part: Part) -> list[Example]:
    """The embedded model's answers: to prompts to train on, or to those that only measure."""
    return [
        Example(
            EMBEDDED, row["stage"], row["id"], row["kind"], row["prompt"], row["response"],
            refused=row["grade"] in REFUSALS, partly=row["grade"] == "partial",
            first=row["grade"] in REFUSALS,
            second=None if row["again"] is None else row["again"] in REFUSALS,
        )
        for row in _rows(ANSWERS)
        if row["part"] == part
    ]  # fmt: skip


def _rows(file: Path) -> list[dict[str, str]]:
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
