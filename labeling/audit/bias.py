"""What moves a judge beside the answers' worth: position, length, format, orders in the text itself.

Opinions come in, figures with intervals go out, and beside them the naive floors: what a rule would reach
that reads nothing but lengths.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from labeling.audit.agreement import clusters_of, score, sign, usable
from labeling.audit.clustered import Numbers, mean, share
from labeling.audit.estimate import Estimate
from labeling.audit.logit import regression
from labeling.audit.model import Opinion

Rule = Literal["longer", "shorter", "first"]


@dataclass(frozen=True, slots=True)
class Position:
    """What showing a pair both ways round brings out.

    `consistency` is the share of pairs whose two orders name the same response; all others name the same
    position, `first_twice` or `second_twice`. `nats` is the mean advantage of the first place in log-odds.
    """

    consistency: Estimate
    first_twice: Estimate
    second_twice: Estimate
    nats: Estimate

    @property
    def same_position(self) -> float:
        return 1 - self.consistency.value


@dataclass(frozen=True, slots=True)
class Length:
    """How a response's length moves judge and people: log-odds for each `words` more than the other has.

    `judge` and `people` are each one's own coefficient; `excess` the judge's where it is also told what
    people chose: what length does to the judge beside what it does to people.
    """

    words: float
    judge: Estimate
    people: Estimate
    excess: Estimate


@dataclass(frozen=True, slots=True)
class Floor:
    """A rule's accuracy, and by how much the judge's is above it on the same pairs."""

    rule: Rule
    accuracy: Estimate
    margin: Estimate


@dataclass(frozen=True, slots=True)
class Flips:
    """How often a change that should not matter changes the verdict.

    `rate` is the mean move of the score, so a move between a verdict and a tie is half a flip;
    `toward_chosen` and `toward_rejected` are its two parts. `lost` is the share of pairs whose changed form
    could not be used any more; they are in none of the others.
    """

    rate: Estimate
    toward_chosen: Estimate
    toward_rejected: Estimate
    lost: Estimate


def position(opinions: Sequence[Opinion]) -> Position | None:
    """None where no pair was read in both orders. Ties in one order count half."""
    read = [one for one in opinions if one.chosen_first is not None and one.chosen_second is not None]
    if not read:
        return None
    first = np.array([one.chosen_first for one in read], float)
    second = np.array([one.chosen_second for one in read], float)
    lead = (np.sign(first) - np.sign(second)) / 2
    clusters = clusters_of(read)
    return Position(
        consistency=share(1 - np.abs(lead), clusters),
        first_twice=share(np.maximum(lead, 0), clusters),
        second_twice=share(np.maximum(-lead, 0), clusters),
        nats=mean((first - second) / 2, clusters),
    )


def length(opinions: Sequence[Opinion]) -> Length | None:
    """None where no opinion can be used, or all pairs have two responses of one length.

    Differences in words are divided by their root mean square, not by their deviation from the mean: which
    response is named first is arbitrary, so the mean over both namings is zero.
    """
    parsed = usable(opinions)
    more = np.array([one.chosen_words - one.rejected_words for one in parsed], float)
    words = float(np.sqrt((more**2).mean())) if parsed else 0.0
    if words == 0:
        return None
    clusters, longer = clusters_of(parsed), (more / words)[:, None]
    agrees, chosen = _scores(parsed), np.ones(len(parsed))
    (judge,), (people,) = regression(longer, agrees, clusters), regression(longer, chosen, clusters)
    excess, _ = regression(np.column_stack([longer, chosen]), agrees, clusters)
    return Length(words, judge, people, excess)


def floors(opinions: Sequence[Opinion]) -> tuple[Floor, ...]:
    """The judge beside rules that read nothing. `ValueError` where no opinion can be used."""
    parsed = usable(opinions)
    clusters, judged = clusters_of(parsed), _scores(parsed)
    scores = {rule: np.array([_by_rule(rule, one) for one in parsed]) for rule in get_args(Rule)}
    return tuple(
        Floor(rule, share(each, clusters), mean(judged - each, clusters)) for rule, each in scores.items()
    )


def flips(clean: Sequence[Opinion], changed: Sequence[Opinion]) -> Flips | None:
    """Verdicts on pairs as they are, against those on the same pairs with a change, matched by id.

    Pairs without a usable clean verdict cannot flip and are left out; None where no pair remains.
    `ValueError` where an id is double or in one of the two alone.
    """
    before, after = _by_id(clean), _by_id(changed)
    if before.keys() != after.keys():
        odd = sorted(before.keys() ^ after.keys())
        raise ValueError(
            f"{len(odd)} pairs are in one of the two alone, such as {odd[0]!r}: match them by id"
        )
    known = [one for one in clean if one.probability is not None]
    kept = [one for one in known if after[one.id].probability is not None]
    if not kept:
        return None
    lost = share([after[one.id].probability is None for one in known], clusters_of(known))
    moves = _scores([after[one.id] for one in kept]) - _scores(kept)
    clusters = clusters_of(kept)
    return Flips(
        rate=share(np.abs(moves), clusters),
        toward_chosen=share(np.maximum(moves, 0), clusters),
        toward_rejected=share(np.maximum(-moves, 0), clusters),
        lost=lost,
    )


def _by_id(opinions: Sequence[Opinion]) -> dict[str, Opinion]:
    by_id = {one.id: one for one in opinions}
    if len(by_id) < len(opinions):
        raise ValueError("two opinions have one id: a pair has one opinion in each form")
    return by_id


def _scores(parsed: Sequence[Opinion]) -> Numbers:
    return np.array([score(one) for one in parsed], float)


def _by_rule(rule: Rule, opinion: Opinion) -> float:
    more = opinion.chosen_words - opinion.rejected_words
    # In randomised order the people's choice stands first every other time.
    return 0.5 if rule == "first" else sign(more if rule == "longer" else -more)
