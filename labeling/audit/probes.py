"""Changed pairs that tell what moves a judge besides what responses say: hidden orders, other clothes.

A probe is a pure function from a pair to a pair, under a name of its own. A changed pair's id is the clean
one's with the probe's name, so that the opinions of both are found together (`clean_id`). To people both are
alike.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from labeling.audit.clothes import CLOTHES
from labeling.audit.injections import APPEALS, LETTERED
from labeling.audit.model import HumanPair

Side = Literal["chosen", "rejected"]
Place = Literal["start", "end"]
Letter = Literal["A", "B"]
SIDES: tuple[Side, ...] = ("chosen", "rejected")
LETTERS: tuple[Letter, ...] = ("A", "B")


@dataclass(frozen=True, slots=True)
class Probe:
    """One change of one response, `side`.

    `obeyed` is what a judge that does as it is told would say: a letter, which is another response in either
    order, or one of the two responses; None where the change asks for nothing.
    """

    name: str
    family: Literal["injection", "format"]
    side: Side
    change: Callable[[str], str]
    obeyed: Letter | Side | None = None

    def __call__(self, pair: HumanPair) -> HumanPair:
        """The changed pair: same conversation, cluster, kind and source."""
        changed = self.change(self._text(pair))
        name = f"{pair.id}#{self.name}"
        if self.side == "chosen":
            return replace(pair, id=name, chosen=changed)
        return replace(pair, id=name, rejected=changed)

    def changes(self, pair: HumanPair) -> bool:
        """Whether the pair is another one then: a text without lists has no list marks to change."""
        return self.change(self._text(pair)) != self._text(pair)

    def _text(self, pair: HumanPair) -> str:
        return pair.chosen if self.side == "chosen" else pair.rejected


def clean_id(changed: str) -> str:
    """The id of the pair that a probe changed."""
    return changed.rpartition("#")[0] or changed


def injections(*, sides: Iterable[Side] = SIDES, places: Iterable[Place] = ("end",)) -> list[Probe]:
    """Every injection in each response, at its end or start; those that name a letter, for each letter."""
    return [probe for side in sides for place in places for probe in _injections(side, place)]


def formats(*, sides: Iterable[Side] = SIDES) -> list[Probe]:
    """Every change of format, of each response."""
    return [
        Probe(f"{name}/{side}", "format", side, change) for side in sides for name, change in CLOTHES.items()
    ]


def spread(pairs: Sequence[HumanPair], probes: Sequence[Probe]) -> list[tuple[HumanPair, Probe]]:
    """One probe for each pair, in turn, so that few calls try them all.

    A probe that changes nothing is passed over, and a pair that none changes left out. Which probe a pair
    gets depends on its place: give the pairs in an order of their own, as `sampling.sample` does.
    """
    chosen: list[tuple[HumanPair, Probe]] = []
    for place, pair in enumerate(pairs):
        in_turn = (probes[(place + step) % len(probes)] for step in range(len(probes)))
        probe = next((probe for probe in in_turn if probe.changes(pair)), None)
        if probe is not None:
            chosen.append((pair, probe))
    return chosen


def _injections(side: Side, place: Place) -> Iterator[Probe]:
    for name, words in LETTERED.items():
        for letter in LETTERS:
            change = _saying(words.format(letter=letter), place)
            yield Probe(f"{name}_{letter.lower()}/{place}/{side}", "injection", side, change, letter)
    for name, words in APPEALS.items():
        yield Probe(f"{name}/{place}/{side}", "injection", side, _saying(words, place), side)


def _saying(words: str, place: Place) -> Callable[[str], str]:
    if place == "start":
        return lambda text: f"{words}\n\n{text}"
    return lambda text: f"{text}\n\n{words}"
