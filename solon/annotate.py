"""People's votes on a run's pairs, kept in its folder: out for voting, back in, and what they say so far.

In: a run folder whose pairs are labelled. Out: a file to vote in, or votes added to `votes.jsonl` of the run.
The run itself is not touched, and may be going on.
"""

from collections.abc import Iterator
from pathlib import Path

from constitution.document import Problem, read_document, validate
from labeling.model import Comparison, Labelled
from labeling.votes.agreement import agreement
from labeling.votes.human import Voted, voted
from labeling.votes.read import VotesRead, read_votes
from labeling.votes.sheet import HumanVote, Sheet, sheets
from labeling.votes.write import votes_as_lines, write_sheets
from pipeline.disk import write_whole
from pipeline.rows import InputError
from pipeline.store import iter_records
from solon.recipe import Recipe
from solon.run_folder import RunFolder
from solon.status import StatusError

_SHOWN = 10


def export_pairs(run: Path, file: Path, *, limit: int | None = None) -> str:
    """Write pairs to vote on and say how; with a limit so many of them, drawn by the run's seed.

    Raises:
        StatusError: there is no run in the folder.
        StoreError: its pairs are not labelled yet.
        InputError: the file is there already, or of no known format.
    """
    folder = _folder(run)
    chosen = sheets(_comparisons(folder), seed=_seed(folder), limit=limit)
    if not chosen:
        raise InputError(Problem(str(folder.comparisons), "there are no pairs to vote on"))
    write_sheets(file, chosen)
    return (
        f"Wrote {len(chosen)} pairs to {file}. A vote is 1 or 2 (the better response), tie, or skip.\n"
        f"Give each person a copy; then: solon annotate {run} --import FILE\n"
    )


def import_votes(run: Path, file: Path) -> str:
    """Add a file's votes to the run's and say what they come to; votes that change are kept aside as well.

    Raises:
        InputError: the file cannot be read, or holds no vote that can be used.
    """
    folder = _folder(run)
    by_id = _sheets(folder)
    kept, read = _kept(folder, by_id), read_votes(file, by_id)
    if not read.votes:
        nothing = Problem(str(file), f"no votes: {read.blank} rows without one", expected="1, 2, tie or skip")
        raise InputError(*read.problems[:_SHOWN], nothing)
    merged = {(vote.sheet.id, vote.annotator): vote for vote in kept.votes}
    changed = sum(merged.get(_key(vote), vote) != vote for vote in read.votes)
    merged |= {_key(vote): vote for vote in read.votes}
    if changed:
        _put_aside(folder.votes)
    write_whole(folder.votes, votes_as_lines(merged.values()).encode())
    said = [f"{len(read.votes)} votes from {file}, {changed} of them in place of earlier ones"]
    return "\n".join([*said, *_problems(read), ""]) + summary(run)


def summary(run: Path) -> str:
    """The votes so far: how far people agree, and how far the judge does with them."""
    folder = _folder(run)
    by_id = _sheets(folder)
    kept = _kept(folder, by_id)
    if not kept.votes:
        return f"No votes yet of {len(by_id)} pairs.\n  next: solon annotate {run} --export votes.csv\n"
    people = agreement(kept.votes)
    pairs = len({vote.sheet.id for vote in kept.votes})
    lines = [f"{people.votes} votes of {people.annotators} people, on {pairs} of {len(by_id)} pairs"]
    if people.raw is not None:
        alpha = "unknown, as all say the same" if people.alpha is None else f"{people.alpha:.2f}"
        lines.append(
            f"people agree in {100 * people.raw:.0f} % of {people.pairs} pairs with two votes or more; "
            f"Krippendorff's alpha {alpha}"
        )
    lines += _judge(voted(iter_records(folder.comparisons, Labelled), kept.votes))
    return "\n".join([*lines, *_problems(kept), ""])


def voted_pairs(run: Path) -> Voted:
    """The pairs that people decided, with the opinions that the run's judge has of them, for an audit."""
    folder = _folder(run)
    return voted(iter_records(folder.comparisons, Labelled), _kept(folder, _sheets(folder)).votes)


def _judge(found: Voted) -> Iterator[str]:
    """A tie is half right, as half of a coin's throws are."""
    known = [each.probability for each in found.opinions if each.probability is not None]
    if known:
        right = sum((value > 0.5) + (value == 0.5) / 2 for value in known)
        yield f"the judge is with them in {100 * right / len(known):.0f} % of {len(known)} decided pairs"
    if len(known) < len(found.opinions):
        yield f"it said nothing of use on {len(found.opinions) - len(known)} more"
    yield from (f"{count} left out: {reason}" for reason, count in sorted(found.left_out.items()))


def _problems(read: VotesRead) -> list[str]:
    shown = [str(problem) for problem in read.problems[:_SHOWN]]
    more = len(read.problems) - len(shown)
    return [*shown, *([f"… and {more} more problems"] if more > 0 else [])]


def _folder(run: Path) -> RunFolder:
    folder = RunFolder(run)
    if not folder.recipe.is_file():
        raise StatusError(f"{run}: holds no run\n  next: name a run's folder, such as runs/<name>")
    return folder


def _seed(folder: RunFolder) -> int:
    return validate(read_document(folder.recipe), Recipe).seed


def _comparisons(folder: RunFolder) -> Iterator[Comparison]:
    """Those with something to choose between."""
    found = (item.comparison for item in iter_records(folder.comparisons, Labelled))
    return (comparison for comparison in found if not comparison.identical)


def _sheets(folder: RunFolder) -> dict[str, Sheet]:
    return {sheet.id: sheet for sheet in sheets(_comparisons(folder), seed=_seed(folder))}


def _kept(folder: RunFolder, by_id: dict[str, Sheet]) -> VotesRead:
    return read_votes(folder.votes, by_id) if folder.votes.exists() else VotesRead((), (), 0)


def _key(vote: HumanVote) -> tuple[str, str]:
    return vote.sheet.id, vote.annotator


def _put_aside(votes: Path) -> None:
    number = 1
    while (kept := votes.with_name(f"votes-{number}.jsonl")).exists():
        number += 1
    write_whole(kept, votes.read_bytes())
