"""Votes back in: rows of JSON lines or CSV, or Argilla's records with their responses; bad rows are told.

Several people may vote on one pair, in one file or in several. A row without an annotator counts for the
person whose name the file has. Rows without a vote are pairs still to be voted on.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import cast, get_args

from constitution.document import Problem
from labeling.votes.sheet import HumanVote, Sheet, Word
from labeling.votes.write import unshown
from pipeline.row_content import name_of
from pipeline.rows import InputError, Row, iter_file

QUESTION = "vote"
_WORDS: tuple[str, ...] = get_args(Word)
_SUBMITTED = (None, "submitted")
"""What Argilla says of a response that counts; drafts and discarded ones do not."""


@dataclass(frozen=True, slots=True)
class VotesRead:
    """The votes of a file, what is wrong with its rows, and how many rows have no vote yet."""

    votes: tuple[HumanVote, ...]
    problems: tuple[Problem, ...]
    blank: int


def read_votes(path: Path, sheets: Mapping[str, Sheet]) -> VotesRead:
    """The votes on these pairs, by id, in the file's order.

    Raises:
        InputError: the file cannot be read.
    """
    votes: dict[tuple[str, str], HumanVote] = {}
    problems: list[Problem] = []
    blank = 0
    for row in iter_file(path):
        if isinstance(row, Problem):
            problems.append(row)
            continue
        try:
            found = list(_votes(row, sheets, path.name.partition(".")[0]))
            _require_new(row, found, votes)
        except InputError as error:
            problems += error.problems
            continue
        blank += not found
        votes |= {(vote.sheet.id, vote.annotator): vote for vote in found}
    return VotesRead(tuple(votes.values()), tuple(problems), blank)


def _votes(row: Row, sheets: Mapping[str, Sheet], annotator: str) -> Iterator[HumanVote]:
    """None for a row that is still blank, several for a record that several people answered."""
    if isinstance(row.values.get("fields"), dict):
        yield from _argilla(row, sheets)
        return
    said = row.values.get("vote")
    if said is None or not str(said).strip():
        return
    sheet = _sheet(row, sheets, row.values.get("pair"))
    yield HumanVote(sheet, unshown(name_of(row, "annotator")).strip() or annotator, _word(row, said))


def _argilla(row: Row, sheets: Mapping[str, Sheet]) -> Iterator[HumanVote]:
    responses = row.values.get("responses") or {}
    answers = responses.get(QUESTION) or [] if isinstance(responses, dict) else None
    if not isinstance(answers, list) or not all(isinstance(answer, dict) for answer in answers):
        expected = f'`{{"{QUESTION}": [{{"value": "1", "user_id": "..."}}]}}`, as Argilla writes them'
        raise InputError(row.problem("`responses` are of another form", key="responses", expected=expected))
    metadata = row.values.get("metadata")
    for answer in cast("list[dict[str, object]]", answers):
        if answer.get("status") in _SUBMITTED:
            sheet = _sheet(row, sheets, metadata.get("pair") if isinstance(metadata, dict) else None)
            yield HumanVote(sheet, str(answer.get("user_id") or "unknown"), _word(row, answer.get("value")))


def _sheet(row: Row, sheets: Mapping[str, Sheet], digest: object) -> Sheet:
    name = unshown(name_of(row, "id"))
    sheet = sheets.get(name)
    if sheet is None:
        what = f"the run has no pair `{name}`" if name else "no `id`"
        step = "import votes into the run from which their pairs were exported"
        raise InputError(row.problem(what, key="id", next_step=step))
    if digest and str(digest) != sheet.digest:
        what = f"the pair `{name}` has other texts now than when it was exported"
        raise InputError(
            row.problem(what, key="pair", next_step="export it again, and have it voted on anew")
        )
    return sheet


def _word(row: Row, said: object) -> Word:
    word = str(said).strip().lower()
    if word not in _WORDS:
        expected = "1 or 2 (the better response), tie, or skip"
        raise InputError(row.problem(f"the vote is {said!r}", key="vote", expected=expected))
    return cast("Word", word)


def _require_new(row: Row, found: list[HumanVote], votes: Mapping[tuple[str, str], HumanVote]) -> None:
    for vote in found:
        if (vote.sheet.id, vote.annotator) in votes:
            what = f"`{vote.annotator}` has voted on `{vote.sheet.id}` before, in this file"
            raise InputError(row.problem(what, key="annotator", next_step="keep one of the two rows"))
