"""The unpaired dataset: the responses of the preference pairs one by one, each called good or bad.

In: rows of the preference dataset, gone through twice. Out: `prompt`, `completion`, `label`, as KTO reads
them (Ethayarajh et al. 2024; TRL's conversational form). A response that stands in several pairs is one row
where they agree on its label, and no row where they do not.
"""

import hashlib
import json
from array import array
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import cast

from labeling.dataset import Exported, ProvenanceColumns
from labeling.preferences import PreferenceRow
from pipeline.index import Index
from prompts.message import MessageDict

BOTH_WAYS = "chosen in one pair and rejected in another"
AGAIN = "the same response again, in the same row"


class UnpairedRow(ProvenanceColumns):
    """A row of the unpaired dataset.

    `label_probability` is the probability that the label is right, the mean over the `pairs` that the
    response stands in; `id` and the other columns are those of the first of them.
    """

    id: str
    prompt: list[MessageDict]
    completion: list[MessageDict]
    label: bool
    label_probability: float
    pairs: int
    decided_by: str
    audit: str
    source: str
    file: str
    category: str
    principle: str
    shaped_by: str
    labeling_method: str
    cut_off: bool
    journal_keys: list[str]


def unpaired_dataset(pairs: Iterable[PreferenceRow]) -> Exported[UnpairedRow]:
    """Two rows for each pair, less the repeated ones; what is left out is counted, by response."""
    counts: Counter[str] = Counter()
    return Exported(UnpairedRow, _rows(pairs, counts), counts)


@dataclass(frozen=True, slots=True)
class _Side:
    """One response of a pair."""

    pair: PreferenceRow
    label: bool

    @property
    def completion(self) -> list[MessageDict]:
        return self.pair["chosen"] if self.label else self.pair["rejected"]

    @property
    def digest(self) -> bytes:
        """Equal for the same response to the same prompt."""
        said = [message["content"].strip() for message in self.completion]
        whole = json.dumps([self.pair["prompt"], said], sort_keys=True)
        return hashlib.sha256(whole.encode(errors="surrogatepass")).digest()[:16]


class _Responses:
    """What the pairs say of each response: 16 bytes to find it by and 13 to count in, whatever it says."""

    def __init__(self) -> None:
        self._places = Index()
        self._labels = bytearray()
        self._probabilities = array("d")
        self._pairs = array("I")

    def add(self, side: _Side) -> None:
        digest = side.digest
        place = next(self._places.candidates(digest), None)
        if place is None:
            place = len(self._labels)
            self._places.add(digest, place)
            self._labels.append(0)
            self._probabilities.append(0.0)
            self._pairs.append(0)
        self._labels[place] |= 1 << side.label
        self._probabilities[place] += side.pair["chosen_probability"]
        self._pairs[place] += 1

    def place(self, side: _Side) -> int:
        """The number of a response that was added, in the order of first appearance."""
        return next(self._places.candidates(side.digest))

    def agree(self, place: int) -> bool:
        """Whether all pairs of the response give it one label."""
        return self._labels[place] in (1 << False, 1 << True)

    def pairs(self, place: int) -> int:
        return self._pairs[place]

    def probability(self, place: int) -> float:
        return self._probabilities[place] / self._pairs[place]


def _rows(pairs: Iterable[PreferenceRow], counts: Counter[str]) -> Iterator[UnpairedRow]:
    seen = _Responses()
    for side in _sides(pairs):
        seen.add(side)
    expected = 0
    for side in _sides(pairs):
        place, source = seen.place(side), side.pair["source"]
        # Places were given in the order of first appearance, which is the same again.
        first = place == expected
        expected += first
        if not seen.agree(place):
            counts[f"{source}: {BOTH_WAYS}"] += 1
        elif not first:
            counts[f"{source}: {AGAIN}"] += 1
        else:
            counts[f"{source}: kept"] += 1
            yield _row(side, seen.pairs(place), seen.probability(place))


def _sides(pairs: Iterable[PreferenceRow]) -> Iterator[_Side]:
    for pair in pairs:
        yield _Side(pair, True)
        yield _Side(pair, False)


def _row(side: _Side, pairs: int, probability: float) -> UnpairedRow:
    pair, which = side.pair, "chosen" if side.label else "rejected"
    return {
        "id": f"{pair['id']}/{which}",
        "prompt": pair["prompt"],
        "completion": side.completion,
        "label": side.label,
        "label_probability": probability,
        "pairs": pairs,
        "decided_by": pair["decided_by"],
        "audit": pair["audit"],
        "source": pair["source"],
        "file": pair["file"],
        "category": pair["category"],
        "principle": pair["principle"],
        "shaped_by": pair["shaped_by"],
        "labeling_method": pair["labeling_method"],
        "cut_off": pair["chosen_cut_off"] if side.label else pair["rejected_cut_off"],
        "journal_keys": pair["journal_keys"],
        **_provenance(pair),
    }


def _provenance(pair: PreferenceRow) -> ProvenanceColumns:
    return cast("ProvenanceColumns", {name: pair[name] for name in ProvenanceColumns.__annotations__})
