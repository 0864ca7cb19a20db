"""From the comparisons of one group to ranks: judged pairs in, responses in order out, nobody is asked.

A group compares all of a prompt's samples with each other (`best_of_n`). Where the way to label scores
responses alone, a response's score is the mean of what it got by itself; else it is its mean probability of
winning against each of the others. A tie is half a win.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from statistics import fmean
from typing import Literal

from critique.model import Text
from labeling.model import NO_PREFERENCE, Judgment, Labelled
from labeling.trust import Belief

Believed = Callable[[Judgment], Belief]
Measure = Literal["score", "win_probability"]


@dataclass(frozen=True, slots=True)
class Ranking:
    """Responses to one conversation, the best first.

    `ranks` count from 1, and equal scores share one: 1, 2, 2, 4. `comparisons` are those between the ranked
    responses; `unranked` counts the responses that are none of them.
    """

    responses: tuple[Text, ...]
    scores: tuple[float, ...]
    ranks: tuple[int, ...]
    measure: Measure
    comparisons: tuple[Labelled, ...]
    unranked: int

    @property
    def extremes(self) -> Labelled:
        """The comparison of the best response with the worst one."""
        wanted = {_key(self.responses[0]), _key(self.responses[-1])}
        return next(item for item in self.comparisons if set(_keys(item)) == wanted)


@dataclass(frozen=True, slots=True)
class Unranked:
    """A group without ranks, and why: its comparisons are ties, or too few of them can be read."""

    reason: str


def ranked(group: Sequence[Labelled], believed: Believed) -> Ranking | Unranked:
    """The ranks of the responses that were compared with each other; `believed` says who won.

    A comparison that cannot be read is not guessed: responses are taken out, the one with the most such
    comparisons first, until all comparisons between the others can be read.
    """
    responses = {key: text for item in group for key, text in _responses(item)}
    left = _all_read(group, responses)
    comparisons = tuple(item for item in group if left.issuperset(_keys(item)))
    if not comparisons:
        return Unranked(next(item.judgment.verdict for item in group if item.judgment.probability is None))
    if all(believed(item.judgment).winner is None for item in comparisons):
        return Unranked("tie")
    measure: Measure = "score" if _scored_alone(comparisons) else "win_probability"
    scores = _scores(comparisons, _alone if measure == "score" else partial(_wins, believed=believed))
    order = sorted(scores, key=lambda key: -scores[key])
    ranks = _ranks([scores[key] for key in order])
    if ranks[-1] == 1:
        return Unranked("tie")
    return Ranking(
        tuple(responses[key] for key in order),
        tuple(scores[key] for key in order),
        ranks,
        measure,
        comparisons,
        len(responses) - len(order),
    )


def groups(labelled: Iterable[Labelled]) -> Iterator[tuple[str, list[Labelled]]]:
    """The pairs of each group, which stand one behind the other; a pair without a group is one by itself."""
    for name, items in groupby(labelled, key=lambda item: item.comparison.group):
        if name:
            yield name, list(items)
        else:
            yield from (("", [item]) for item in items)


def best_and_worst(
    labelled: Iterable[Labelled], believed: Believed, *, counts: Counter[str]
) -> Iterator[Labelled]:
    """Pairs as they come, and of each group the best response against the worst one.

    Groups without ranks, and those whose ranks the judge contradicts, are counted by reason in `counts`.
    """
    for name, items in groups(labelled):
        outcome = ranked(items, believed) if name else None
        if outcome is None:
            yield from items
        elif isinstance(outcome, Unranked):
            counts[f"{items[0].comparison.source}: {outcome.reason}"] += 1
        elif _contradicts(outcome, believed):
            counts[f"{items[0].comparison.source}: ranks contradicted"] += 1
        else:
            yield outcome.extremes


def _contradicts(ranking: Ranking, believed: Believed) -> bool:
    """Whether the judge, asked about the best and the worst alone, preferred the worst."""
    extremes = ranking.extremes
    winner = believed(extremes.judgment).winner
    names = dict(zip(("first", "second"), _keys(extremes), strict=True))
    return winner is not None and names[winner] == _key(ranking.responses[-1])


def _key(response: Text) -> str:
    return response.text.strip()


def _responses(item: Labelled) -> list[tuple[str, Text]]:
    return [(_key(text), text) for text in (item.comparison.first, item.comparison.second)]


def _keys(item: Labelled) -> tuple[str, ...]:
    return tuple(key for key, _ in _responses(item))


def _all_read(group: Sequence[Labelled], responses: Iterable[str]) -> set[str]:
    """Responses of which every comparison can be read; of equally bad ones the later goes first."""
    left = dict.fromkeys(responses)
    unread = [set(_keys(item)) for item in group if item.judgment.probability is None]
    while unread:
        counts = Counter(key for pair in unread for key in pair)
        worst = max(reversed(left), key=lambda key: counts[key])
        del left[worst]
        unread = [pair for pair in unread if worst not in pair]
    return set(left)


def _scored_alone(comparisons: Iterable[Labelled]) -> bool:
    votes = [vote for item in comparisons for vote in item.judgment.votes if vote.probability is not None]
    return all(vote.first_score is not None and vote.second_score is not None for vote in votes)


def _scores(
    comparisons: Iterable[Labelled], sides: Callable[[Labelled], tuple[float, float]]
) -> dict[str, float]:
    """Each response's mean over its comparisons; `sides` gives both responses' scores in one of them."""
    found: dict[str, list[float]] = {}
    for item in comparisons:
        for key, side in zip(_keys(item), sides(item), strict=True):
            found.setdefault(key, []).append(side)
    return {key: fmean(values) for key, values in found.items()}


def _wins(item: Labelled, *, believed: Believed) -> tuple[float, float]:
    belief = believed(item.judgment)
    if belief.winner is None or belief.probability is None:
        return 0.5, 0.5
    return belief.probability, 1 - belief.probability


def _alone(item: Labelled) -> tuple[float, float]:
    """Each response's own score, the mean of the votes that count."""
    votes = [vote for vote in item.judgment.votes if vote.probability is not None]
    return fmean(vote.first_score or 0.0 for vote in votes), fmean(vote.second_score or 0.0 for vote in votes)


def _ranks(scores: Sequence[float]) -> tuple[int, ...]:
    """From scores in falling order."""
    ranks: list[int] = []
    for place, score in enumerate(scores):
        equal = place > 0 and scores[place - 1] - score <= NO_PREFERENCE
        ranks.append(ranks[-1] if equal else place + 1)
    return tuple(ranks)
