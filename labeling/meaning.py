"""Which principles do what their author meant: the outcomes of trials in, counts with intervals out."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Literal

from constitution.model import Constitution
from labeling.audit.agreement import TIE
from labeling.audit.clustered import Clusters, share
from labeling.audit.estimate import Estimate
from labeling.model import NO_PREFERENCE
from labeling.trial import Decided, Kind, Tried

Does = Literal["as meant", "the opposite", "undecided", "no examples"]


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a judge makes of one principle's examples. `failed` of them could not be asked about."""

    principle: str
    tried: tuple[Tried, ...]
    failed: int = 0

    @property
    def n(self) -> int:
        """All examples: one that could not be asked about did not do as meant either."""
        return len(self.tried) + self.failed

    def count(self, decided: Decided, kind: Kind | None = None) -> int:
        return sum(each.opinion.decided == decided for each in self.of(kind))

    def of(self, kind: Kind | None) -> tuple[Tried, ...]:
        return tuple(each for each in self.tried if kind is None or each.kind == kind)

    @property
    def does(self) -> Does:
        """What most of its examples say; `undecided` where most say neither."""
        if not self.n:
            return "no examples"
        if 2 * self.count("meant") > self.n:
            return "as meant"
        return "the opposite" if 2 * self.count("opposite") > self.n else "undecided"

    @property
    def share(self) -> Estimate | None:
        """The share that was decided as meant in both orders; None without an example."""
        return _share([each.opinion.decided == "meant" for each in self.tried] + [False] * self.failed)

    @property
    def plain(self) -> int | None:
        """Comparisons that are decided as meant by no principle at all; None where that was not asked."""
        return plainly(self.tried)

    @property
    def moved(self) -> float | None:
        """How much likelier the principle makes what its author prefers, against no principle, on average."""
        return moved(self.tried)


def meanings(constitution: Constitution, tried: Iterable[Tried], failed: Sequence[str]) -> list[Meaning]:
    """One for each principle, in the constitution's order; `failed` has a principle's id for each failure."""
    found = list(tried)
    return [
        Meaning(each.id, tuple(one for one in found if one.principle == each.id), failed.count(each.id))
        for each in constitution.principles
    ]


def overall(found: Sequence[Meaning]) -> Estimate | None:
    """The share of all examples that was decided as meant; the interval is over principles."""
    scores = [(each.principle, one.opinion.decided == "meant") for each in found for one in each.tried]
    scores += [(each.principle, False) for each in found for _ in range(each.failed)]
    return _share([meant for _, meant in scores], [name for name, _ in scores])


def plainly(tried: Sequence[Tried]) -> int | None:
    """Comparisons that are decided as meant by no principle; None where that was not asked."""
    asked = [each.control for each in tried if each.control is not None]
    return sum(control.decided == "meant" for control in asked) if asked else None


@dataclass(frozen=True, slots=True)
class Leaning:
    """How many opinions lean which way on the mean of both orders, whether these agree or not."""

    towards: int
    against: int


def leaning(tried: Sequence[Tried]) -> Leaning:
    """Those of a probability of one half, or of none, lean nowhere."""
    known = [each.opinion.probability for each in tried if each.opinion.probability is not None]
    return Leaning(
        sum(probability - TIE > NO_PREFERENCE for probability in known),
        sum(TIE - probability > NO_PREFERENCE for probability in known),
    )


def moved(tried: Sequence[Tried]) -> float | None:
    """The mean of P(meant) by the principle less that by no principle; None where there is none."""
    differences = [
        each.opinion.probability - each.control.probability
        for each in tried
        if each.control is not None
        and each.control.probability is not None
        and each.opinion.probability is not None
    ]
    return fmean(differences) if differences else None


def _share(scores: Sequence[bool], names: Sequence[str] | None = None) -> Estimate | None:
    if not scores:
        return None
    return share(
        [float(score) for score in scores], Clusters.of(names or [str(n) for n in range(len(scores))])
    )
