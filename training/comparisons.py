"""Preference rows into token ids: two whole conversations, for a reward model that rates each at its end.

In: rows of the preference dataset as `training.data` reads them. Out: tokenized rows, nothing of them cut,
those that are held out beside those to learn from.
"""

from dataclasses import dataclass, replace

from transformers import PreTrainedTokenizerBase

from engine.tokens import encode_answered
from training.data import Pair, Rows, require_rows
from training.held_out import Sides
from training.settings import RewardModelSettings
from training.tokens import TokenizedRows, TooLongError, tokenize_rows


@dataclass(frozen=True, slots=True)
class TokenizedComparison:
    """Token ids of two whole conversations and what is to be learnt of them.

    `target` is P(chosen), `margin` how far its reward is to be ahead. `prompt` is the same number for pairs
    of the same prompt; `held_out` pairs are not learnt from; `source` as a `Pair` has it.
    """

    chosen_ids: list[int]
    rejected_ids: list[int]
    target: float
    margin: float
    prompt: int
    held_out: bool
    source: str

    @property
    def cut(self) -> bool:
        """A reward is read at the end, so an answer is whole or left out."""
        return False

    def columns(self) -> dict[str, object]:
        return {name: getattr(self, name) for name in self.__slots__}


def tokenize_comparisons(
    rows: Rows[Pair],
    tokenizer: PreTrainedTokenizerBase,
    settings: RewardModelSettings,
    *,
    sides: Sides,
) -> TokenizedRows:
    """Preference rows as two whole conversations each; one that is longer than `max_length` drops its pair.

    Raises:
        TrainingError: no pair is short enough, or none is left to learn from.
    """

    def tokenized(pair: Pair) -> TokenizedComparison:
        replies = [(pair.chosen, pair.chosen_cut_off), (pair.rejected, pair.rejected_cut_off)]
        chosen, rejected = (
            encode_answered(tokenizer, (*pair.prompt, *reply), finished=not cut_off)
            for reply, cut_off in replies
        )
        if max(len(chosen), len(rejected)) > settings.max_length:
            raise TooLongError(f"an answer ends beyond max_length {settings.max_length}")
        soft, prompt = settings.labels == "soft", sides.number(pair.prompt)
        margin = settings.margin if pair.margin is None else pair.margin
        return TokenizedComparison(
            chosen,
            rejected,
            target=pair.probability if soft else 1.0,
            margin=0.0 if soft else margin,
            prompt=prompt,
            held_out=sides.is_held_out(prompt),
            source=pair.source,
        )

    return _apart(tokenize_rows(rows, tokenized), rows.name)


def _apart(rows: TokenizedRows, name: str) -> TokenizedRows:
    """What is held out, taken out of what is trained on."""
    held_out = rows.dataset.data.column("held_out").to_numpy()
    sides = [rows.dataset.select(where.nonzero()[0], keep_in_memory=True) for where in (~held_out, held_out)]
    require_rows(name, len(sides[0]), rows.dropped)
    return replace(rows, dataset=sides[0], held_out=sides[1])
