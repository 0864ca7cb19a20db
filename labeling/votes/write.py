"""Sheets out for people: JSON lines, CSV for a spreadsheet, or the records of Argilla, by the file's ending.

The judge's opinion, the responses' origin and their order in the run are in none of them.
"""

import csv
import io
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from constitution.document import Problem
from labeling.votes.sheet import HumanVote, Sheet
from pipeline.disk import write_whole
from pipeline.rows import InputError
from prompts.message import as_dicts

COLUMNS = ("id", "pair", "prompt", "response_1", "response_2", "annotator", "vote")
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "'")
"""What makes a spreadsheet take a text for a formula, and the mark that says it is none."""


def write_sheets(path: Path, sheets: Sequence[Sheet]) -> None:
    """Write a file to vote in.

    Raises:
        InputError: the file is there already, or its ending says no format.
    """
    write = FORMATS.get(path.suffix.lower())
    if write is None:
        expected = "a name that ends in .jsonl, .csv, or .json (Argilla's records)"
        raise InputError(Problem(str(path), f"`{path.name}` has no format for votes", expected=expected))
    if path.exists():
        step = "give another name, or move the file away: it may hold votes"
        raise InputError(Problem(str(path), "is there already, and is left as it is", next_step=step))
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, write(sheets).encode("utf-8", "backslashreplace"))


def votes_as_lines(votes: Iterable[HumanVote]) -> str:
    """Votes without the texts that they are on, one a line, as `labeling.votes.read` takes them."""
    rows = [
        {"id": vote.sheet.id, "pair": vote.sheet.digest, "annotator": vote.annotator, "vote": vote.word}
        for vote in votes
    ]
    return "".join(json.dumps(row) + "\n" for row in rows)


def shown(text: str) -> str:
    """A text as a spreadsheet's cell: never a formula."""
    return f"'{text}" if text.startswith(_FORMULA) else text


def unshown(cell: str) -> str:
    """The text that `shown` was given."""
    return cell[1:] if cell.startswith("'") and cell[1:].startswith(_FORMULA) else cell


def _lines(sheets: Iterable[Sheet]) -> str:
    rows = [{**_row(sheet), "prompt": as_dicts(sheet.conversation)} for sheet in sheets]
    return "".join(json.dumps(row) + "\n" for row in rows)


def _csv(sheets: Iterable[Sheet]) -> str:
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(COLUMNS)
    writer.writerows([shown(value) for value in _row(sheet).values()] for sheet in sheets)
    return text.getvalue()


def _argilla(sheets: Iterable[Sheet]) -> str:
    """A list of records as `argilla.Record.to_dict` (2.8) gives them, with the fields that people see."""
    records = [
        {
            "id": sheet.id,
            "fields": {key: _row(sheet)[key] for key in ("prompt", "response_1", "response_2")},
            "metadata": {"pair": sheet.digest},
            "suggestions": {},
            "responses": {},
            "vectors": {},
        }
        for sheet in sheets
    ]
    return json.dumps(records, indent=1) + "\n"


FORMATS: Mapping[str, Callable[[Sequence[Sheet]], str]] = {".jsonl": _lines, ".csv": _csv, ".json": _argilla}


def _row(sheet: Sheet) -> dict[str, str]:
    said = "\n\n".join(f"{message.role.capitalize()}: {message.content}" for message in sheet.conversation)
    first, second = sheet.responses
    return dict(zip(COLUMNS, (sheet.id, sheet.digest, said, first, second, "", ""), strict=True))
