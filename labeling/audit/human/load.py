"""Files of human labels in, pairs out: the form told by the columns, bad rows told, the rest used.

In: files (JSONL, JSON, CSV, Parquet) or folders of them. Out: `HumanPair`s for a judge's audit, each under a
name of its own, and for every file what it gave, what was left out and what is wrong with it.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from constitution.document import Problem, nearest
from labeling.audit.human import choices, preferences, refusals, transcripts, verdicts
from labeling.audit.human.form import Form, Found, LeftOut
from labeling.audit.model import HumanPair
from pipeline.rows import FORMATS, InputError, Row, iter_file

FORMS: Mapping[str, Form] = {
    "choices": Form(("prompt", "corrects", "incorrects"), choices.read),
    "xstest": Form(
        ("type", "prompt", "completion", "annotation_1", "annotation_2", "final_label"),
        refusals.read,
        together=True,
    ),
    "judgebench": Form(("question", "response_A", "response_B", "label"), verdicts.judgebench),
    "llmbar": Form(("input", "output_1", "output_2", "label"), verdicts.llmbar),
    "transcripts": Form(("chosen", "rejected"), transcripts.read, fits=transcripts.fits),
    "preferences": Form(("chosen", "rejected"), preferences.read),
}
"""Every form by its name; the first that fits a file's columns is taken."""

_SHOWN = 3
"""Problems of a file that are told one by one."""


@dataclass(frozen=True, slots=True)
class HumanFile:
    """What came of one file, or of several of which the rows belong together.

    `problems` are what is wrong with rows, or with the file; `left_out` counts sound rows that make no pair,
    by reason.
    """

    source: str
    form: str
    pairs: int
    problems: tuple[Problem, ...]
    left_out: Mapping[str, int]

    def __str__(self) -> str:
        """One line for people, then the first problems."""
        counts = [f"{self.source}: {self.pairs} pairs ({self.form or 'of no known form'})"]
        counts += [f"{count} left out: {reason}" for reason, count in sorted(self.left_out.items())]
        if self.problems:
            counts.append(f"{len(self.problems)} with a problem")
        more = [f"… and {len(self.problems) - _SHOWN} more"] if len(self.problems) > _SHOWN else []
        return "\n".join([", ".join(counts), *map(str, self.problems[:_SHOWN]), *more])


@dataclass(frozen=True, slots=True)
class HumanLabels:
    """Pairs that people labelled, ids all different, and what came of each file."""

    pairs: tuple[HumanPair, ...]
    files: tuple[HumanFile, ...]


def load_human(paths: Sequence[Path], *, form: str = "") -> HumanLabels:
    """All pairs of the files, in their order; a folder stands for the files in it.

    `form` names the form of all of them (one of `FORMS`); without it each file's columns tell.

    Raises:
        InputError: there is no such form, or no file gives a pair; with what is wrong with each.
    """
    found, files = load_found(paths, form=form)
    return HumanLabels(tuple(each.pair for each in found), files)


def load_found(paths: Sequence[Path], *, form: str = "") -> tuple[tuple[Found, ...], tuple[HumanFile, ...]]:
    """As `load_human`, each pair with the row that it came from, for whoever reads more of it."""
    if form and form not in FORMS:
        names = ", ".join(FORMS)
        problem = Problem(form, "no such form of human labels", expected=f"one of {names}")
        raise InputError(replace(problem, suggestion=nearest(form, FORMS)))
    read = [_read(batch) for batch in _together([_open(*each, form) for each in _named(paths)])]
    found = tuple(each for made, _ in read for each in made)
    files = tuple(file for _, file in read)
    if not found:
        told = [problem for file in files for problem in file.problems[:_SHOWN]]
        nothing = "no pairs that people labelled in " + (", ".join(map(str, paths)) or "no files")
        raise InputError(*told, Problem("human labels", nothing))
    return found, files


@dataclass(slots=True)
class _Batch:
    """Rows that are read together, and what is wrong so far. `source` names them."""

    source: str
    form: str
    rows: list[Row]
    problems: list[Problem]


def _named(paths: Iterable[Path]) -> list[tuple[Path, str]]:
    """The files with names that tell them apart: as much of the end of each path as that takes."""
    files = list(dict.fromkeys(file for path in paths for file in human_files(path)))
    depth, longest = 1, max((len(file.parts) for file in files), default=1)
    while depth < longest and len({file.parts[-depth:] for file in files}) < len(files):
        depth += 1
    return [(file, "/".join(file.parts[-depth:])) for file in files]


def human_files(path: Path) -> list[Path]:
    """The file, or those of a folder that may hold labels."""
    if not path.is_dir():
        return [path]
    names = (*FORMATS, *(f"{suffix}.gz" for suffix in FORMATS))
    return sorted(file for file in path.iterdir() if file.is_file() and file.name.lower().endswith(names))


def _open(path: Path, source: str, form: str) -> _Batch:
    rows: list[Row] = []
    problems: list[Problem] = []
    try:
        for row in iter_file(path):
            rows.append(row) if isinstance(row, Row) else problems.append(row)
        known = form or (_form(path, rows) if rows or not problems else "")
        return _Batch(source, known, rows, problems)
    except InputError as error:
        return _Batch(source, "", [], [*problems, *error.problems])


def _form(path: Path, rows: Sequence[Row]) -> str:
    """The first form that a row fits; a row that lacks a column is no reason to misread the others."""
    for row in rows:
        for name, form in FORMS.items():
            if form.reads(row):
                return name
    columns = [str(name) for name in rows[0].values] if rows else []
    if not columns:
        raise InputError(Problem(str(path), "the file is empty", next_step="give a file of labelled pairs"))
    raise InputError(_unknown(path, columns))


def _unknown(path: Path, columns: Sequence[str]) -> Problem:
    """The column that is missing where only one is, else every form's columns."""
    lacking = {
        form.columns: [name for name in form.columns if name not in columns] for form in FORMS.values()
    }
    near = next((names for names, missing in lacking.items() if len(missing) == 1), None)
    if near is None:
        forms = "; ".join(f"{', '.join(form.columns)} ({name})" for name, form in FORMS.items())
        what = f"the columns are those of no known form: {', '.join(columns)}"
        return Problem(str(path), what, expected=forms)
    (missing,) = lacking[near]
    like = nearest(missing, columns)
    return Problem(
        str(path),
        f"no `{missing}`: the columns are {', '.join(columns)}",
        expected=", ".join(near),
        next_step=f"call the column `{like}` `{missing}`" if like else "",
    )


def _together(batches: Iterable[_Batch]) -> list[_Batch]:
    """Files whose rows belong together as one batch, named after their form."""
    made: dict[str, _Batch] = {}
    for batch in batches:
        joined = batch.form in FORMS and FORMS[batch.form].together
        key = batch.form if joined else f"file {batch.source}"
        first = made.setdefault(key, batch)
        if first is not batch:
            first.source = batch.form
            first.rows += batch.rows
            first.problems += batch.problems
    return list(made.values())


def _read(batch: _Batch) -> tuple[list[Found], HumanFile]:
    problems, left_out = list(batch.problems), Counter[str]()
    found: list[Found] = []
    try:
        for outcome in FORMS[batch.form].read(batch.rows) if batch.form else ():
            match outcome:
                case Found():
                    found.append(outcome)
                case LeftOut():
                    left_out[outcome.reason] += 1
                case Problem():
                    problems.append(outcome)
        _require_two_labels(found)
        kept = list(_distinct(batch, found, problems))
    except InputError as error:
        problems, kept = [*error.problems, *problems], []
    return kept, HumanFile(batch.source, batch.form, len(kept), tuple(problems), dict(left_out))


def _require_two_labels(found: Sequence[Found]) -> None:
    """A file whose labels are all the same says nothing of a judge that always says it."""
    labels = {each.label for each in found}
    if len(found) < 2 or len(labels) > 1 or labels == {""}:
        return
    problem = Problem(
        found[0].row.source,
        f"all {len(found)} labels are {labels.pop()}: a judge that always says so would look perfect",
        expected="labels of both sorts",
        next_step="shuffle the responses, or give them as `prompt`, `chosen` and `rejected`",
    )
    raise InputError(problem)


def _distinct(batch: _Batch, found: Iterable[Found], problems: list[Problem]) -> Iterator[Found]:
    """The pairs under names that no other pair of the source has; one that is there already is a problem."""
    rows: dict[str, Row] = {}
    for each in found:
        first = rows.setdefault(each.pair.id, each.row)
        if first is each.row:
            pair = replace(each.pair, id=f"{batch.source}/{each.pair.id}", source=batch.source)
            yield replace(each, pair=pair)
        else:
            what = f"the pair `{each.pair.id}` is there already, at {first.place}"
            step = "remove the row, or give it an id of its own"
            problems.append(each.row.problem(what, key="id", next_step=step))
