"""Rows of a file in, questions out: prompts that no stage has seen, each with what its suite is for.

A suite is the user's own JSONL or a published file as it is published: its columns are told from the header.
`solon.suites` opens the files; everything that is wrong with a row is an `InputError` with its place.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast, get_args

from constitution.document import Problem
from evaluation.answer import Question
from evaluation.model import SuiteKind
from evaluation.settings import Column, FormatName, SuiteSettings
from pipeline.context import derived_seed
from pipeline.row_content import EXPECTED, PROMPT_COLUMNS, conversation_of, name_of, text_of
from pipeline.rows import InputError, Row
from prompts.message import Conversation, Message, as_dicts

SHIPPED: Mapping[str, SuiteKind] = {
    "solon-harmful": "harmful",
    "solon-borderline": "harmless",
    "solon-helpful": "helpful",
}
"""The suites that ship with Solon, and what each is for."""

_PROBLEMS_SHOWN = 10
_SAFETY: Mapping[str, SuiteKind] = {"safe": "harmless", "unsafe": "harmful"}


@dataclass(frozen=True, slots=True)
class Format:
    """How a published file names its columns; it is known by `needs`. `kind` is what all its rows are for."""

    needs: frozenset[str]
    prompt: str
    id: str = ""
    category: str = ""
    kind: SuiteKind | None = None
    context: str = ""


FORMATS: Mapping[FormatName, Format] = {
    "strongreject": Format(
        frozenset({"forbidden_prompt"}), "forbidden_prompt", category="category", kind="harmful"
    ),
    "harmbench": Format(
        frozenset({"Behavior", "BehaviorID"}),
        "Behavior",
        "BehaviorID",
        "SemanticCategory",
        "harmful",
        "ContextString",
    ),
    "jailbreakbench": Format(frozenset({"Goal", "Behavior"}), "Goal", category="Category"),
    "advbench": Format(frozenset({"goal", "target"}), "goal", kind="harmful"),
    "xstest": Format(frozenset({"prompt", "type", "id"}), "prompt", "id", "type"),
    "gsm8k": Format(frozenset({"question", "answer"}), "question", kind="verifiable"),
    "instructions": Format(frozenset({"instruction"}), "instruction", "id", "category"),
    "solon": Format(frozenset(), "prompt", "id", "category"),
}
"""Formats by name, told apart in this order. OR-Bench's files have the columns that Solon's own have.

    strongreject    Souly et al. 2024, strongreject_dataset.csv
    harmbench       Mazeika et al. 2024, harmbench_behaviors_text_*.csv; a context stands before its behaviour
    jailbreakbench  Chao et al. 2024, harmful-behaviors.csv and benign-behaviors.csv
    advbench        Zou et al. 2023, harmful_behaviors.csv
    xstest          Röttger et al. 2024, xstest_prompts.csv: safe rows are harmless, the others harmful
    gsm8k           Cobbe et al. 2021, with answers that a program can check
    instructions    rows with an `instruction`, as Alpaca and its kin have them
"""


def shipped_path(name: str) -> Path | None:
    """The file of a suite that ships with Solon; None for any other name."""
    return Path(__file__).parent / "library" / f"{name}.jsonl" if name in SHIPPED else None


def questions(rows: Iterable[Row], settings: SuiteSettings, *, suite: str) -> list[Question]:
    """Every row as a question, in order; with a limit a sample of them, stratified by category.

    Raises:
        InputError: with up to ten problems; a suite without rows is one too.
    """
    found = list(_sound(rows, settings, suite))
    if not found:
        what = f"no prompts: `{settings.path}` is empty"
        raise InputError(Problem(f"evaluation.suites.{suite}", what, expected=EXPECTED))
    return found if settings.limit is None else stratified(found, settings.limit)


def stratified(found: Sequence[Question], limit: int) -> list[Question]:
    """A sample in which every kind and category has its share, by largest remainders; in the given order.

    It depends on the questions' ids alone, so that runs of several seeds are measured on the same ones.
    """
    if limit >= len(found):
        return list(found)
    groups: dict[tuple[str, str], list[Question]] = {}
    for question in found:
        groups.setdefault((question.kind, question.category), []).append(question)
    counts = _shares({name: len(group) for name, group in groups.items()}, limit)
    drawn = {
        question.id
        for name, group in groups.items()
        for question in sorted(group, key=lambda each: derived_seed("suite", each.id))[: counts[name]]
    }
    return [question for question in found if question.id in drawn]


def _shares(sizes: Mapping[tuple[str, str], int], limit: int) -> Counter[tuple[str, str]]:
    total = sum(sizes.values())
    exact = {name: limit * size / total for name, size in sizes.items()}
    counts = Counter({name: int(share) for name, share in exact.items()})
    left = sorted(exact, key=lambda name: (int(exact[name]) - exact[name], name))
    counts.update(left[: limit - counts.total()])
    return counts


def _sound(rows: Iterable[Row], settings: SuiteSettings, suite: str) -> Iterator[Question]:
    problems: list[Problem] = []
    places: dict[str, str] = {}
    layout: Format | None = None
    for row in rows:
        try:
            layout = layout or _layout(row, settings, suite)
            question = _question(row, layout, settings, suite=suite)
            _require_new(question, row, places)
        except InputError as error:
            problems += error.problems
            if layout is None or len(problems) >= _PROBLEMS_SHOWN:
                break
            continue
        yield question
    if problems:
        raise InputError(*problems[:_PROBLEMS_SHOWN])


def _layout(row: Row, settings: SuiteSettings, suite: str) -> Format:
    """The format that is named, or that the first row's columns tell, with the columns that are named.

    What is wrong with all rows alike is told of the first one alone.
    """
    name = settings.format if settings.format != "auto" else _detected(row, settings.columns)
    layout = replace(FORMATS[name], **_renamed(settings.columns))
    own = {layout.prompt} if layout.prompt != "prompt" else set(PROMPT_COLUMNS)
    wanted = [] if own & set(row.values) else [layout.prompt]
    wanted += [column for column in settings.columns.values() if column not in row.values]
    if wanted:
        raise InputError(
            row.problem(
                f"no column `{wanted[0]}`: there are {', '.join(map(str, row.values)) or 'none'}",
                expected=f"the columns of one of {', '.join(FORMATS)}",
                next_step="name the prompt's: `columns: {prompt: NAME}`",
            )
        )
    _kind(row, layout, settings, suite=suite)
    return layout


def _renamed(columns: Mapping[Column, str]) -> dict[str, str]:
    return {name: column for name, column in columns.items() if name != "kind"}


def _detected(row: Row, columns: Mapping[Column, str]) -> FormatName:
    if "prompt" in columns:
        return "solon"
    names = {str(name) for name in row.values}
    return next(name for name, layout in FORMATS.items() if layout.needs <= names)


def _question(row: Row, layout: Format, settings: SuiteSettings, *, suite: str) -> Question:
    said = _with(_said(row, layout), settings.append)
    category = name_of(row, layout.category) if layout.category else ""
    name = (name_of(row, layout.id) if layout.id else "") or _digest(said)
    return Question(
        id=f"{suite}/{name}",
        suite=suite,
        kind=_kind(row, layout, settings, suite=suite),
        category=category or suite,
        conversation=said,
        columns=json.dumps({str(key): value for key, value in row.values.items()}, default=str),
    )


def _said(row: Row, layout: Format) -> Conversation:
    if layout.prompt == "prompt":
        return conversation_of(row)
    asked = text_of(row, layout.prompt)
    context = row.values.get(layout.context)
    if isinstance(context, str) and context.strip():
        asked = f"{context}\n\n---\n\n{asked}"
    return (Message("user", asked),)


def _with(said: Conversation, more: str | None) -> Conversation:
    """The conversation with these words behind what is said last."""
    if more is None:
        return said
    return (*said[:-1], replace(said[-1], content=f"{said[-1].content}\n\n{more.strip()}"))


def _kind(row: Row, layout: Format, settings: SuiteSettings, *, suite: str) -> SuiteKind:
    """What the recipe says, else what the row says, else what the format is for."""
    if settings.kind is not None:
        return settings.kind
    column = settings.columns.get("kind", "kind")
    said = row.values.get(column) if column in row.values else _xstest(row, layout)
    if isinstance(said, str) and said in get_args(SuiteKind):
        return cast("SuiteKind", said)
    if layout.kind is not None:
        return layout.kind
    if settings.path in SHIPPED:
        return SHIPPED[settings.path]
    raise InputError(
        row.problem(
            f"nothing says what the prompts of `{suite}` are for",
            expected=f"a column `kind`, or in the recipe `evaluation.suites.{suite}.kind:`, one of "
            f"{', '.join(get_args(SuiteKind))}",
        )
    )


def _xstest(row: Row, layout: Format) -> SuiteKind | None:
    """Its own label; earlier versions of the file say `contrast_` before the types of unsafe prompts."""
    if layout != FORMATS["xstest"]:
        return None
    label = row.values.get("label")
    if isinstance(label, str):
        return _SAFETY.get(label.strip().lower())
    return "harmful" if str(row.values.get("type")).startswith("contrast") else "harmless"


def _digest(said: Conversation) -> str:
    return hashlib.sha256(json.dumps(as_dicts(said), sort_keys=True).encode()).hexdigest()[:12]


def _require_new(question: Question, row: Row, places: dict[str, str]) -> None:
    if question.id in places:
        name = question.id.partition("/")[2]
        what = f"the prompt `{name}` is there already, at {places[question.id]}"
        raise InputError(row.problem(what, next_step="take one of the two out"))
    places[question.id] = row.place
