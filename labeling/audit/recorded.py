"""Verdicts that a judge gave elsewhere: files that hold them come in, the same opinions and figures go out.

A file is one of human labels (`human/load.py`) whose rows also have `judgments`, as JudgeBench publishes
them: a list of what was said of the two responses as the row has them, and then of the swapped ones; or of
the first order alone. Nobody is asked anything.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from constitution.document import Problem
from labeling.audit.ask import CLEAN, Audited
from labeling.audit.human.form import Found
from labeling.audit.human.load import HumanFile, load_found
from labeling.audit.model import HumanPair
from labeling.combine import SURE, combined, log_odds, sigmoid, verdict
from labeling.model import JUDGE, Judgment, Reading, Vote
from labeling.settings import LabelingSettings
from pipeline.rows import InputError, Row

COLUMN = "judgments"
METHOD = "recorded"
_SAID: Mapping[object, float | None] = {
    "A>B": SURE,
    "B>A": -SURE,
    "A=B": 0.0,
    "B=A": 0.0,
    "tie": 0.0,
    None: None,
}
"""A verdict's log-odds that the response shown first is better; a bare verdict is as sure as can be."""
_EXPECTED = (
    "one verdict, or two, the second of the swapped responses: A>B, B>A, A=B, null, or the probability that "
    "the one shown first is better; each by itself or as `decision` of an object"
)


@dataclass(frozen=True, slots=True)
class Recorded:
    """Pairs that people labelled, what the judge said of them, and what came of each file."""

    pairs: tuple[HumanPair, ...]
    audited: tuple[Audited, ...]
    files: tuple[HumanFile, ...]


def load_recorded(paths: Sequence[Path], settings: LabelingSettings, *, form: str = "") -> Recorded:
    """All pairs of the files with their verdicts; both orders are combined as the settings say.

    A verdict that is null, in either order, makes the judgment unparsed. A row without verdicts that can be
    read is a problem of its file, and no pair.

    Raises:
        InputError: no row gives a pair and its verdicts; with what is wrong with each file.
    """
    found, files = load_found(paths, form=form)
    audited: list[Audited] = []
    problems: dict[str, list[Problem]] = {}
    for each in found:
        try:
            audited.append(Audited(each.pair, _judgment(each, settings), CLEAN, CLEAN, ()))
        except InputError as error:
            problems.setdefault(each.pair.source, []).extend(error.problems)
    if not audited:
        raise InputError(*(told for file in problems.values() for told in file[:1]))
    kept = Counter(each.pair.source for each in audited)
    told = [
        replace(file, pairs=kept[file.source], problems=(*file.problems, *problems.get(file.source, ())))
        for file in files
    ]
    return Recorded(tuple(each.pair for each in audited), tuple(audited), tuple(told))


def _judgment(found: Found, settings: LabelingSettings) -> Judgment:
    """What was said, with people's choice as the first response."""
    said = _log_odds(found.row)
    if found.shown_first is None:
        raise InputError(found.row.problem("the row has no pair that a judge could have been shown"))
    as_shown, swapped = Reading(said[0], None, True), Reading(said[1] if len(said) > 1 else None, None, True)
    orders = (as_shown, swapped) if found.shown_first == "chosen" else (swapped, as_shown)
    vote = Vote("", JUDGE, False, *orders, probability=combined(*orders, settings))
    if len(said) == 1 and said[0] is not None:
        agrees = said[0] if found.shown_first == "chosen" else -said[0]
        vote = replace(vote, probability=sigmoid(agrees))
    won = verdict([vote], vote.probability, settings)
    return Judgment((vote,), vote.probability, won, METHOD, template="", template_hash="")


def _log_odds(row: Row) -> list[float | None]:
    """Of the response that was shown first, for each order that was recorded."""
    value = row.values.get(COLUMN)
    if not isinstance(value, list) or not 1 <= len(value) <= 2:
        what = f"no `{COLUMN}`" if value is None else f"`{COLUMN}` holds no list of one or two verdicts"
        raise InputError(row.problem(what, key=COLUMN, expected=_EXPECTED))
    return [_read(row, each.get("decision") if isinstance(each, dict) else each) for each in value]


def _read(row: Row, said: object) -> float | None:
    if isinstance(said, int | float) and not isinstance(said, bool) and 0 <= said <= 1:
        return log_odds(float(said))
    if (isinstance(said, str) or said is None) and said in _SAID:
        return _SAID[said]
    raise InputError(row.problem(f"the verdict {said!r} is not known", key=COLUMN, expected=_EXPECTED))
