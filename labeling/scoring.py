"""How good a response is by itself, in the eyes of a recipe's judges: a reward that nobody trained (d-RLAIF).

A response comes in, a number goes out: the mean of the votes of every judge under every principle that is
drawn, each the expected digit of `labeling.methods.pointwise` (Lee et al. 2023). Online methods are rewarded
by it. All responses to one conversation are scored by the same principles, whenever they are asked about, so
that the reward is one function of both.
"""

import hashlib
import json
from dataclasses import dataclass
from functools import partial
from statistics import fmean

from labeling.judge import Judge
from labeling.methods.pointwise import Alone, Score, score
from pipeline.context import RowContext
from prompts.message import Conversation, as_dicts


@dataclass(frozen=True, slots=True)
class Response:
    """A response to a conversation; `id` tells it from others that are asked about at the same time."""

    id: str
    conversation: Conversation
    text: str


@dataclass(frozen=True, slots=True)
class Scorer:
    """Scores a response by the recipe's judges and principles; call it as a row program."""

    judge: Judge

    async def __call__(self, row: Response, context: RowContext) -> float | None:
        """From -1 to 1, the mean of the votes that count; None where none holds enough label mass.

        Raises:
            CallError: a judge could not answer.
        """
        # A name of the conversation and of nothing else: what is drawn and what is asked follow from it.
        asked = context.shared.row(name_of(row.conversation), context.number)
        drawn = self.judge.drawn(asked.rng("comparison", asked.row_id))
        votes = [
            Alone(row.conversation, row.text, principle, judge, self.judge.prompts)
            for judge in self.judge.settings.judges
            for principle in drawn
        ]
        told = await asked.together([partial(score, vote) for vote in votes])
        counted = [each.value for each in told if self._counts(each)]
        return fmean(counted) if counted else None

    def _counts(self, told: Score) -> bool:
        mass = told.choice.mass
        return mass is None or mass >= self.judge.settings.min_label_mass


def name_of(conversation: Conversation) -> str:
    """A row's id that follows from what was said."""
    text = json.dumps(as_dicts(conversation), ensure_ascii=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:32]
