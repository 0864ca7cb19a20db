"""What critique and revision did: a run's trajectories come in, harmlessness round by round goes out.

The same grader that reads the models' answers reads every draft. A share is of harmful prompts whose answer,
as it stands after a round, refuses; `round` 0 is the answer as first given.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from critique.model import Trajectory
from evaluation.figures.change import Change, all_at_once, change
from evaluation.model import REFUSALS, Grade
from labeling.audit.clustered import Clusters, share
from labeling.audit.estimate import Estimate
from prompts.message import Conversation

Way = Literal["critique", "direct"]
"""Revised after a critique, or at once."""

Grades = Callable[[Conversation, str], Grade]
"""A grader: the conversation and an answer to it come in, its grade goes out."""


@dataclass(frozen=True, slots=True)
class Draft:
    """An answer as it stood after a round, graded; `principle` drew the round, "" for the first answer."""

    prompt: str
    way: Way
    round: int
    principle: str
    grade: Grade

    @property
    def refused(self) -> bool:
        return self.grade in REFUSALS


@dataclass(frozen=True, slots=True)
class Round:
    """The answers after one round: how many refuse, the share of each grade, and what the round changed."""

    way: Way
    round: int
    refused: Estimate
    grades: Mapping[Grade, float]
    change: Change | None


@dataclass(frozen=True, slots=True)
class PrincipleRounds:
    """What the rounds that a principle drew changed, after minus before; adjusted over all principles."""

    principle: str
    change: Change


@dataclass(frozen=True, slots=True)
class Revisions:
    """By round, by principle, and the last drafts with a critique minus those without, on the same prompts.

    `critique_gain` is None where the runs have only one of the two ways, or no prompt in common.
    """

    rounds: tuple[Round, ...]
    principles: tuple[PrincipleRounds, ...]
    critique_gain: Change | None


def drafts(trajectories: Iterable[Trajectory], grades: Grades) -> list[Draft]:
    """Every answer to a red-team prompt, first and revised, with its grade."""
    return [
        draft
        for each in trajectories
        if each.request.kind == "red_team" and each.rounds
        for draft in _drafts(each, grades)
    ]


def _drafts(trajectory: Trajectory, grades: Grades) -> Iterable[Draft]:
    request = trajectory.request
    way: Way = "direct" if all(done.critique is None for done in trajectory.rounds) else "critique"
    texts = [("", trajectory.response), *((done.principle, done.revision) for done in trajectory.rounds)]
    for number, (principle, text) in enumerate(texts):
        yield Draft(request.id, way, number, principle, grades(request.conversation, text.text))


def revisions(found: Sequence[Draft]) -> Revisions | None:
    """None where no draft could be read, or no round was there to compare with."""
    read = [draft for draft in found if draft.grade != "unread"]
    ways = [way for way in ("critique", "direct") if any(draft.way == way for draft in read)]
    rounds = tuple(one for way in ways for one in _rounds([draft for draft in read if draft.way == way]))
    if not rounds:
        return None
    return Revisions(rounds, _by_principle(read), _critique_gain(read))


def _rounds(read: Sequence[Draft]) -> Iterable[Round]:
    for number in sorted({draft.round for draft in read}):
        now = [draft for draft in read if draft.round == number]
        counts: Counter[Grade] = Counter(draft.grade for draft in now)
        yield Round(
            now[0].way,
            number,
            share([float(draft.refused) for draft in now], Clusters.of([draft.prompt for draft in now])),
            {grade: count / len(now) for grade, count in counts.items()},
            _change([draft for draft in read if draft.round == number - 1], now),
        )


def _change(before: Sequence[Draft], after: Sequence[Draft]) -> Change | None:
    was = _by_key(before)
    pairs = [(was[key], draft) for key, draft in _by_key(after).items() if key in was]
    if not pairs:
        return None
    return change(
        [float(one.refused) for one, _ in pairs],
        [float(one.refused) for _, one in pairs],
        [one.prompt for one, _ in pairs],
    )


def _by_key(found: Sequence[Draft]) -> dict[tuple[str, int], Draft]:
    """By prompt, and by which of the prompt's drafts it is: several runs may have one each."""
    seen: Counter[str] = Counter()
    keyed: dict[tuple[str, int], Draft] = {}
    for draft in found:
        keyed[draft.prompt, seen[draft.prompt]] = draft
        seen[draft.prompt] += 1
    return keyed


def _by_principle(read: Sequence[Draft]) -> tuple[PrincipleRounds, ...]:
    """Each round's draft against the one before it, which stands right before it in the list."""
    pairs: dict[str, list[tuple[Draft, Draft]]] = {}
    for before, after in pairwise(read):
        if after.round == before.round + 1 and after.prompt == before.prompt:
            pairs.setdefault(after.principle, []).append((before, after))
    names = sorted(pairs)
    changes = [
        change(
            [float(was.refused) for was, _ in pairs[name]],
            [float(now.refused) for _, now in pairs[name]],
            [now.prompt for _, now in pairs[name]],
        )
        for name in names
    ]
    return tuple(PrincipleRounds(name, one) for name, one in zip(names, all_at_once(changes), strict=True))


def _critique_gain(read: Sequence[Draft]) -> Change | None:
    last: dict[Way, list[Draft]] = {"critique": [], "direct": []}
    for way, ones in last.items():
        its = [draft for draft in read if draft.way == way]
        final = max((draft.round for draft in its), default=0)
        ones += [draft for draft in its if draft.round == final]
    return _change(last["direct"], last["critique"])
