"""Which principles' labels moved the model: labelled pairs and held-out changes come in, differences go out.

Principles are drawn at random for each pair, so a held-out prompt that is most like pairs of one principle
differs from the others by chance alone in everything but that. If a principle's labels move a model more than
the others' do, prompts near its pairs change more. That is what is measured, and chance is what random
principles for the same pairs would give.

It cannot tell what a principle did everywhere alike, only what it did more near its own pairs; nearness is by
words, not by meaning; and it says nothing of why.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from critique.relatedness import Relatedness
from labeling.audit.clustered import Numbers
from labeling.audit.holm import adjusted

_NEAREST = 5
_DRAWS = 2000
_SEED = 0
_FEWEST = 20
"""So many held-out prompts and pairs at least."""


@dataclass(frozen=True, slots=True)
class LabelledPrompt:
    """The prompt of a pair that was trained on, and the principles whose labels it has."""

    text: str
    principles: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Moved:
    """What a principle's pairs go along with, in shares of prompts.

    `difference` is how much more refusals changed on the prompts nearest to its pairs than on the others;
    with random principles in their place it lies between `chance_low` and `chance_high` in 95 % of draws. `p`
    is two-sided and adjusted over all principles (Holm 1979).
    """

    principle: str
    pairs: int
    difference: float
    chance_low: float
    chance_high: float
    p: float

    @property
    def sure(self) -> bool:
        return self.p <= 0.05


def moved(changes: Mapping[str, float], pairs: Sequence[LabelledPrompt]) -> tuple[Moved, ...]:
    """`changes` maps a held-out prompt's text to the change in refusals, -1 to 1, over all runs.

    Empty where there are too few prompts or pairs, or only one principle.
    """
    names = sorted({name for pair in pairs for name in pair.principles})
    if len(names) < 2 or min(len(changes), len(pairs)) < _FEWEST:
        return ()
    nearness = _nearness(list(changes), [pair.text for pair in pairs])
    labels = np.array([[float(name in pair.principles) for name in names] for pair in pairs])
    labels /= np.maximum(labels.sum(axis=1, keepdims=True), 1)
    values = np.array(list(changes.values()))
    seen = _differences(nearness @ labels, values)
    chance = np.stack([_differences(nearness @ one, values) for one in _shuffled(labels)])
    ps = (1 + (np.abs(chance) >= np.abs(seen) - 1e-12).sum(axis=0)) / (1 + _DRAWS)
    low, high = np.quantile(chance, [0.025, 0.975], axis=0)
    counts = [sum(name in pair.principles for pair in pairs) for name in names]
    columns = (names, counts, seen.tolist(), low.tolist(), high.tolist(), adjusted(ps.tolist()))
    return tuple(Moved(*row) for row in zip(*columns, strict=True))


def _nearness(prompts: Sequence[str], pairs: Sequence[str]) -> Numbers:
    """Prompts x pairs: of each prompt its nearest pairs' shares, by cosine; none where no word is shared."""
    related = Relatedness(pairs)
    found = np.zeros((len(prompts), len(pairs)))
    for row, prompt in enumerate(prompts):
        cosines = np.array(related.to(prompt))
        nearest = np.argsort(-cosines, kind="stable")[:_NEAREST]
        found[row, nearest] = cosines[nearest]
    return found / np.maximum(found.sum(axis=1, keepdims=True), 1e-12)


def _differences(exposure: Numbers, values: Numbers) -> Numbers:
    """Of each principle: the mean change weighted by nearness to its pairs, less that of the others."""
    others = exposure.sum(axis=1, keepdims=True) - exposure
    return _weighted(exposure, values) - _weighted(others, values)


def _weighted(weights: Numbers, values: Numbers) -> Numbers:
    return values @ weights / np.maximum(weights.sum(axis=0), 1e-12)


def _shuffled(labels: Numbers) -> Iterable[Numbers]:
    generator = np.random.default_rng(_SEED)
    for _ in range(_DRAWS):
        yield generator.permutation(labels)
