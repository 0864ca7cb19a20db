"""Which prompts are not learned from: a share of them, drawn by the seed, all pairs of a prompt on one side.

In: the prompts of a data set, as often as rows have them. Out: a side for each. A prompt's number is a hash
of it under the seed, and those with the smallest numbers are held out, so that eight bytes a row are kept,
and a row's side does not depend on the order of the rows.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from pipeline.context import derived_seed
from prompts.message import Conversation, as_dicts


@dataclass(frozen=True, slots=True)
class Sides:
    """Prompts whose number is up to `last` are held out; none where it is -1."""

    seed: int
    last: int

    def number(self, prompt: Conversation) -> int:
        """63 bits that tell the prompt from others."""
        return derived_seed(self.seed, "held out", json.dumps(as_dicts(prompt), sort_keys=True))

    def is_held_out(self, number: int) -> bool:
        return number <= self.last


def held_out(prompts: Iterable[Conversation], share: float, *, seed: int) -> Sides:
    """The sides of a data set with these prompts.

    Where a share is asked for, one prompt at least is held out and one at least learned from: of two prompts
    or more.
    """
    nobody = Sides(seed, -1)
    if not share:
        return nobody
    numbers = np.unique(np.fromiter(map(nobody.number, prompts), np.int64))
    count = min(max(round(share * len(numbers)), 1), len(numbers) - 1)
    return Sides(seed, int(numbers[count - 1])) if count > 0 else nobody
