"""What votes say of the judge: a run's labels and people's votes in, pairs and opinions for an audit out.

The judge has judged these pairs already, so its opinions cost nothing.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from labeling.audit.human.form import cluster_of
from labeling.audit.model import HumanPair, Opinion
from labeling.audit.opinion import opinion_of
from labeling.model import Comparison, Labelled
from labeling.votes.sheet import Choice, HumanVote

SOURCE = "votes"


@dataclass(frozen=True, slots=True)
class Voted:
    """What people made of a run's pairs. `left_out` counts pairs without a winner, by reason."""

    pairs: tuple[HumanPair, ...]
    opinions: tuple[Opinion, ...]
    left_out: Counter[str]


def voted(labelled: Iterable[Labelled], votes: Iterable[HumanVote]) -> Voted:
    """The pairs of which most votes name one response, ties counting against either; skipped votes do not."""
    choices: dict[str, Counter[Choice]] = {}
    for vote in votes:
        choices.setdefault(vote.sheet.id, Counter())[vote.choice] += 1
    left_out: Counter[str] = Counter()
    decided = list(_decided(labelled, choices, left_out))
    pairs = [_pair(item.comparison, first_wins=wins) for item, wins in decided]
    opinions = [
        opinion_of(pair, item.judgment, chosen_is_first=wins)
        for pair, (item, wins) in zip(pairs, decided, strict=True)
    ]
    return Voted(tuple(pairs), tuple(opinions), left_out)


def _decided(
    labelled: Iterable[Labelled], choices: dict[str, Counter[Choice]], left_out: Counter[str]
) -> Iterator[tuple[Labelled, bool]]:
    for item in labelled:
        said = choices.get(item.comparison.id)
        if said is None:
            continue
        counted = said.total() - said["skip"]
        winner = next((side for side in ("first", "second") if 2 * said[side] > counted), None)
        if winner is not None:
            yield item, winner == "first"
        else:
            left_out["everybody skipped it" if counted == 0 else "no majority for either response"] += 1


def _pair(comparison: Comparison, *, first_wins: bool) -> HumanPair:
    shown = comparison if first_wins else comparison.swapped()
    return HumanPair(
        comparison.id,
        cluster_of(comparison.conversation),
        comparison.conversation,
        shown.first.text,
        shown.second.text,
        kind=comparison.category,
        source=SOURCE,
    )
