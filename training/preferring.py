"""Which of a prompt's answers is better: a rollout's answers in, pairs with P(chosen) out.

The answers to one prompt stand side by side, so many to each. The recipe's judges compare them, in both
orders where their way has an order, or a reward scores them. Of more than two the best is set against the
worst, as labels are made (`labeling.ranking`). Ties, and what nobody could tell, make no pair; they are
counted.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Protocol

from critique.model import Text
from labeling.combine import sigmoid
from labeling.model import NO_PREFERENCE, Comparison, Labelled
from labeling.ranking import best_and_worst
from labeling.scoring import name_of
from training import processes
from training.judge import OnlineJudge
from training.rewards import Answer, Reward, Scores

IDENTICAL, TIE, UNANSWERED = "identical", "tie", "not answered"


@dataclass(frozen=True, slots=True)
class Preference:
    """Places of two answers in the rollout, and P(chosen is better), more than a half."""

    chosen: int
    rejected: int
    probability: float


@dataclass(frozen=True, slots=True)
class Preferences:
    """The pairs of a rollout, at most one a prompt, and how many prompts gave none, by reason.

    `consistency` is the share of judged comparisons whose two orders named the same answer, None where
    nothing was shown in an order. `scores` are those of a reward.
    """

    pairs: tuple[Preference, ...]
    dropped: Mapping[str, int]
    consistency: float | None = None
    scores: Scores | None = None


class Preferring(Protocol):
    """Begins to find out, and gives what waits for the outcome."""

    def begin(self, answers: Sequence[Answer]) -> Callable[[], Preferences]: ...


@dataclass(frozen=True, slots=True)
class ByScore:
    """The answer with the higher score is better, and P = 1 / (1 + exp(-difference / temperature)).

    `penalty` is taken from the score of an answer that has no end.
    """

    reward: Reward
    to_each: int
    temperature: float
    penalty: float

    def begin(self, answers: Sequence[Answer]) -> Callable[[], Preferences]:
        wait = self.reward.begin(answers)

        def told() -> Preferences:
            scores = wait()
            taken = [
                total - self.penalty * (not answer.finished)
                for total, answer in zip(scores.total, answers, strict=True)
            ]
            dropped: Counter[str] = Counter()
            groups = groups_of(len(answers), self.to_each)
            found = [self._extremes(group, answers, taken, dropped=dropped) for group in groups]
            return Preferences(tuple(pair for pair in found if pair), dropped, scores=scores)

        return told

    def _extremes(
        self, group: range, answers: Sequence[Answer], taken: Sequence[float], *, dropped: Counter[str]
    ) -> Preference | None:
        best, worst = max(group, key=taken.__getitem__), min(group, key=taken.__getitem__)
        if len({answers[place].text.strip() for place in group}) == 1:
            dropped[IDENTICAL] += 1
            return None
        if taken[best] - taken[worst] <= NO_PREFERENCE:
            dropped[TIE] += 1
            return None
        return Preference(best, worst, sigmoid((taken[best] - taken[worst]) / self.temperature))


@dataclass(frozen=True, slots=True)
class ByJudge:
    """What the recipe's judges prefer, in the recipe's way of labeling and as its audit lets it count."""

    judge: OnlineJudge
    to_each: int

    def begin(self, answers: Sequence[Answer]) -> Callable[[], Preferences]:
        groups = [_Group.of(places, answers) for places in groups_of(len(answers), self.to_each)]
        wait = self.judge.labels([each for group in groups for each in group.comparisons])

        def told() -> Preferences:
            items = wait()
            left, dropped = iter(items), Counter[str]()
            each = [[next(left) for _ in group.comparisons] for group in groups]
            found = [self._pair(group, those, dropped) for group, those in zip(groups, each, strict=True)]
            pairs = tuple(pair for pair in found if pair is not None)
            return Preferences(pairs, dropped, self._consistency(items))

        return told

    def _pair(
        self, group: "_Group", items: Sequence[Labelled | None], dropped: Counter[str]
    ) -> Preference | None:
        """The best answer against the worst, or None with the reason counted."""
        read = [item for item in items if item is not None]
        if not group.comparisons or len(read) < len(items):
            dropped[UNANSWERED if group.comparisons else IDENTICAL] += 1
            return None
        unranked: Counter[str] = Counter()
        item = next(best_and_worst(read, self.judge.believed, counts=unranked), None)
        if item is None:
            dropped[next(iter(unranked)).partition(": ")[2]] += 1
            return None
        belief = self.judge.believed(item.judgment)
        if belief.winner is None or belief.probability is None:
            dropped[belief.why] += 1
            return None
        first, second = group.places_of(item.comparison)
        ahead = belief.probability if belief.winner == "first" else 1 - belief.probability
        if ahead <= 0.5:  # a calibrator may turn a label that is hardly one
            dropped[TIE] += 1
            return None
        return (
            Preference(first, second, ahead) if belief.winner == "first" else Preference(second, first, ahead)
        )

    def _consistency(self, items: Sequence[Labelled | None]) -> float | None:
        judged = [item.judgment.agree for item in items if item is not None]
        return sum(judged) / len(judged) if judged and self.judge.judge.method.ordered else None


@dataclass(frozen=True, slots=True)
class ByFirst:
    """What the first of several processes finds out, told to all; the others have nobody to ask."""

    asked: Preferring | None

    def begin(self, answers: Sequence[Answer]) -> Callable[[], Preferences]:
        wait = self._elsewhere if self.asked is None else self.asked.begin(answers)
        return lambda: processes.shared(wait)

    def _elsewhere(self) -> Preferences:
        raise AssertionError("the first process asks")


@dataclass(frozen=True, slots=True)
class _Group:
    """The different answers to one prompt: the place of each text, and what is asked about them."""

    places: Mapping[str, int]
    comparisons: tuple[Comparison, ...]

    @classmethod
    def of(cls, places: Sequence[int], answers: Sequence[Answer]) -> "_Group":
        different: dict[str, int] = {}
        for place in places:
            different.setdefault(answers[place].text.strip(), place)
        name = _name([answers[place] for place in places])
        pairs = list(combinations(different.values(), 2))
        if len(pairs) < 2:
            return cls(different, tuple(_comparison(name, answers, *pair) for pair in pairs))
        ranked = (
            _comparison(f"{name}/{number}", answers, *pair, group=name) for number, pair in enumerate(pairs)
        )
        return cls(different, tuple(ranked))

    def places_of(self, comparison: Comparison) -> tuple[int, int]:
        return self.places[comparison.first.text.strip()], self.places[comparison.second.text.strip()]


def groups_of(answers: int, to_each: int) -> list[range]:
    """The places of the answers to each prompt."""
    return [range(start, start + to_each) for start in range(0, answers, to_each)]


def _comparison(
    name: str, answers: Sequence[Answer], first: int, second: int, *, group: str = ""
) -> Comparison:
    texts = [Text(answers[place].text, not answers[place].finished, 0) for place in (first, second)]
    return Comparison(name, "samples", answers[first].prompt, texts[0], texts[1], group=group)


def _name(answers: Sequence[Answer]) -> str:
    """A name of what was said alone, so that a run that goes on draws what it drew before."""
    texts = json.dumps([answer.text for answer in answers])
    return f"{name_of(answers[0].prompt)}-{hashlib.sha256(texts.encode()).hexdigest()[:16]}"
