"""Preference rows into token ids: a prompt and two answers, for methods that learn which one to give.

In: rows of the preference dataset as `training.data` reads them. Out: tokenized rows, answers cut where there
is no room.
"""

from dataclasses import dataclass

from transformers import PreTrainedTokenizerBase

from training.data import Pair, Rows
from training.settings import TrainerSettings
from training.tokens import TokenizedRows, encode_replies, tokenize_rows


@dataclass(frozen=True, slots=True)
class TokenizedPair:
    """Token ids of a prompt and its two answers; `cut` says whether an answer's end is missing.

    `target` is P(chosen), for losses that meet it.
    """

    prompt_ids: list[int]
    chosen_ids: list[int]
    rejected_ids: list[int]
    target: float
    cut: bool

    def columns(self) -> dict[str, object]:
        return {
            "prompt_ids": self.prompt_ids,
            "chosen_ids": self.chosen_ids,
            "rejected_ids": self.rejected_ids,
            "target": self.target,
        }


def tokenize_pairs(
    rows: Rows[Pair],
    tokenizer: PreTrainedTokenizerBase,
    *,
    max_length: int,
    max_completion_length: int | None = None,
) -> TokenizedRows:
    """Preference rows as token ids; `TrainingError` if no prompt leaves room for an answer."""

    def tokenized(pair: Pair) -> TokenizedPair:
        replies = [(pair.chosen, pair.chosen_cut_off), (pair.rejected, pair.rejected_cut_off)]
        told = encode_replies(
            tokenizer, pair.prompt, replies, max_length=max_length, at_most=max_completion_length
        )
        return TokenizedPair(told.prompt_ids, *told.replies, target=pair.probability, cut=told.cut)

    return tokenize_rows(rows, tokenized)


def tokenize_preferences(
    rows: Rows[Pair], tokenizer: PreTrainedTokenizerBase, settings: TrainerSettings, _seed: int
) -> TokenizedRows:
    """`tokenize_pairs` by the settings of a method that learns from pairs; raises as it does."""
    return tokenize_pairs(
        rows,
        tokenizer,
        max_length=settings.max_length,
        max_completion_length=settings.max_completion_length,
    )
