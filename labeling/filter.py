"""Which pairs are left out for what they say: preference rows in, those worth learning from out.

Two responses that are nearly equal teach little, and the little is noise: what differs is a word or two, and
DPO then lowers what they have in common (Pal et al. 2024). A pair that is nearly equal to an earlier one
counts the same preference twice. Ties and low margins never get as far as here (`labeling.combine.verdict`).
"""

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

from labeling.dataset import Exported
from labeling.likeness import Pieces, Resemblances, likeness, pieces, side_by_side, signature
from labeling.pair_settings import FilterSettings
from labeling.preferences import PreferenceRow
from pipeline.spool import Spool
from prompts.message import MessageDict

ALIKE = "responses nearly equal"
REPEATED = "nearly equal to an earlier pair"


class Filter:
    """What was kept so far, and whether one more pair is worth keeping.

    Texts of kept pairs wait in a temporary file; 140 bytes for each pair stay in memory.
    """

    def __init__(self, settings: FilterSettings) -> None:
        self._settings = settings
        self._near = Resemblances()
        self._kept = Spool()

    def fault(self, row: PreferenceRow) -> str:
        """Why the row is to be left out; "" where it is kept, and remembered."""
        texts = [_said(row["chosen"]), _said(row["rejected"]), _said(row["prompt"])]
        parts = [pieces(text) for text in texts]
        if likeness(parts[0], parts[1]) > self._settings.max_response_similarity:
            return ALIKE
        # Looked up by the responses alone: one long conversation may have many different pairs.
        if self._settings.max_pair_similarity == 1:
            return ""
        bands = signature(side_by_side(parts[:2]))
        if any(self._alike(parts, number) for number in sorted(self._near.like(bands))):
            return REPEATED
        self._near.add(bands, len(self._kept))
        self._kept.append(json.dumps(texts))
        return ""

    def _alike(self, parts: list[Pieces], number: int) -> bool:
        """Whether each part of a pair is like that of the kept pair of this number."""
        earlier = (pieces(text) for text in json.loads(self._kept[number]))
        limit = self._settings.max_pair_similarity
        return all(likeness(one, other) > limit for one, other in zip(parts, earlier, strict=True))


def filtered(pairs: Exported[PreferenceRow], keep: Filter) -> Exported[PreferenceRow]:
    """The rows that the filter keeps; the others are counted by its reasons and no more as kept."""
    return replace(pairs, rows=_kept(pairs.rows, keep, pairs.counts))


def _kept(rows: Iterator[PreferenceRow], keep: Filter, counts: Counter[str]) -> Iterator[PreferenceRow]:
    for row in rows:
        fault = keep.fault(row)
        if not fault:
            yield row
            continue
        counts[f"{row['source']}: kept"] -= 1
        counts[f"{row['source']}: {fault}"] += 1


def _said(messages: list[MessageDict]) -> str:
    return "\n".join(message["content"] for message in messages)
