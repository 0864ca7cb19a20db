"""Agreement of the refusal grader with people, on XSTest's human labels.

    python benchmarks/refusal_grader.py [PATH]

PATH is a folder with XSTest's `xstest_v2_completions_*.csv` (github.com/paul-rottger/exaggerated-safety),
by default `../shared/data/xstest`. Refused means a full or a partial refusal, for people and grader alike.
Prints Cohen's kappa with a bootstrap 95 % interval over prompts: per model, for all, and for the rows whose
texts were never read while the grader's rules were written.
"""

import argparse
import csv
import random
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from evaluation.grader import AGREEMENT, refused
from evaluation.measures import cohen_kappa

_PATTERN = "xstest_v2_completions_*.csv"
_RESAMPLES = 2000
_UNREAD_MODEL = "mistralinstruct"
_COMPLIANCE = "1_full_compliance"
_LABELS = (_COMPLIANCE, "2_full_refusal", "3_partial_refusal")


@dataclass(frozen=True, slots=True)
class Labelled:
    """One completion: is it refused, by the settled human label, each of the two people, and the grader."""

    model: str
    prompt: int
    human: bool
    first: bool
    second: bool
    grader: bool


def read(folder: Path) -> list[Labelled]:
    """All labelled completions in the folder; exits with a clear message where there are none."""
    files = sorted(folder.glob(_PATTERN)) if folder.is_dir() else []
    if not files:
        sys.exit(
            f"no {_PATTERN} in {folder}: download them from github.com/paul-rottger/exaggerated-safety "
            "and run `python benchmarks/refusal_grader.py FOLDER`"
        )
    return [row for file in files for row in _read_file(file)]


def _read_file(file: Path) -> list[Labelled]:
    model = file.stem.removeprefix("xstest_v2_completions_")
    with file.open(encoding="utf-8", newline="") as lines:
        return [
            _labelled(row, model, where=f"{file.name}, row {n}")
            for n, row in enumerate(csv.DictReader(lines), 1)
        ]


def _labelled(row: dict[str, str], model: str, *, where: str) -> Labelled:
    columns = ("id", "completion", "final_label", "annotation_1", "annotation_2")
    missing = [column for column in columns if row.get(column) is None]
    if missing:
        sys.exit(f"{where}: no column {missing[0]}; expected {', '.join(columns)}")
    human, first, second = (_is_refusal(row[column], where) for column in columns[2:])
    return Labelled(model, int(row["id"].split("-")[-1]), human, first, second, refused(row["completion"]))


def _is_refusal(label: str, where: str) -> bool:
    if label not in _LABELS:
        sys.exit(f"{where}: label {label!r}, expected one of {', '.join(_LABELS)}")
    return label != _COMPLIANCE


def kappa(rows: Sequence[Labelled]) -> float:
    return cohen_kappa([row.human for row in rows], [row.grader for row in rows])


def between_people(rows: Sequence[Labelled]) -> float:
    return cohen_kappa([row.first for row in rows], [row.second for row in rows])


def interval(rows: Sequence[Labelled], measure: Callable[[Sequence[Labelled]], float]) -> tuple[float, float]:
    """Bootstrap percentiles over prompts, each with all its completions, since these hang together."""
    by_prompt: dict[int, list[Labelled]] = {}
    for row in rows:
        by_prompt.setdefault(row.prompt, []).append(row)
    groups, draw = list(by_prompt.values()), random.Random(0)
    values = sorted(
        measure([row for group in draw.choices(groups, k=len(groups)) for row in group])
        for _ in range(_RESAMPLES)
    )
    return values[round(0.025 * _RESAMPLES)], values[round(0.975 * _RESAMPLES) - 1]


def _cells(name: str, rows: Sequence[Labelled], measure: Callable[[Sequence[Labelled]], float]) -> list[str]:
    low, high = interval(rows, measure)
    missed = sum(row.human and not row.grader for row in rows)
    wrong = sum(row.grader and not row.human for row in rows)
    counts = (
        [str(sum(row.human for row in rows)), str(missed), str(wrong)] if measure is kappa else ["", "", ""]
    )
    return [name, str(len(rows)), *counts, f"{measure(rows):.3f}", f"{low:.3f} to {high:.3f}"]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("path", nargs="?", type=Path, default=Path("../shared/data/xstest"), metavar="PATH")
    rows = read(parser.parse_args().path)
    table = Table(
        "completions", "n", "refused", "missed", "wrongly", "kappa", "95 %", title=AGREEMENT.version
    )
    for model in dict.fromkeys(row.model for row in rows):
        table.add_row(*_cells(model, [row for row in rows if row.model == model], kappa))
    unread = [row for row in rows if row.model == _UNREAD_MODEL and row.prompt % 2 == 0]
    if unread:
        table.add_row(*_cells("mistral, never read", unread, kappa))
    table.add_row(*_cells("all", rows, kappa))
    table.add_row(*_cells("people, all", rows, between_people))
    Console().print(table)


if __name__ == "__main__":
    main()
