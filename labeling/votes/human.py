"""What votes say of the judge: a run's labels and people's votes in, pairs and opinions for an audit out.

The judge has judged these pairs already, so its opinions cost nothing.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from labeling.audit.human.form import cluster_of
from labeling.audit.model import HumanPair, Opinion
from labeling.model import Comparison, Judgment, Labelled
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
        _opinion(pair, item.judgment, first_wins=wins)
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


def _opinion(pair: HumanPair, judgment: Judgment, *, first_wins: bool) -> Opinion:
    """The judge's recorded readings, turned so that positive log-odds are for the people's choice."""
    forward, backward = judgment.forward_logit, judgment.backward_logit
    probability = judgment.probability
    if not first_wins and probability is not None:
        probability = 1 - probability
    return Opinion(
        pair.id,
        pair.cluster,
        chosen_first=forward if first_wins else backward,
        chosen_second=_turned(backward if first_wins else forward),
        probability=probability,
        chosen_words=len(pair.chosen.split()),
        rejected_words=len(pair.rejected.split()),
        kind=pair.kind,
        source=pair.source,
    )


def _turned(logit: float | None) -> float | None:
    return None if logit is None else -logit
