"""SFT rows into token ids: a conversation, and its last answer, which is learned.

In: rows of the SFT dataset as `training.data` reads them. Out: tokenized rows, answers cut where there is no
room.
"""

from dataclasses import dataclass

from transformers import PreTrainedTokenizerBase

from training.data import Example, Rows
from training.tokens import IGNORED, TokenizedRows, encode_replies, tokenize_rows


@dataclass(frozen=True, slots=True)
class TokenizedExample:
    """Token ids of prompt and completion; `cut` says whether the completion's end is missing."""

    prompt_ids: list[int]
    completion_ids: list[int]
    cut: bool

    def columns(self) -> dict[str, object]:
        return {
            "input_ids": self.prompt_ids + self.completion_ids,
            "labels": [IGNORED] * len(self.prompt_ids) + self.completion_ids,
        }


def tokenize_examples(
    rows: Rows[Example],
    tokenizer: PreTrainedTokenizerBase,
    *,
    max_length: int,
    max_completion_length: int | None = None,
) -> TokenizedRows:
    """SFT rows as token ids; `TrainingError` if no prompt leaves room for a completion."""

    def tokenized(example: Example) -> TokenizedExample:
        reply = (example.completion, example.cut_off)
        told = encode_replies(
            tokenizer, example.prompt, [reply], max_length=max_length, at_most=max_completion_length
        )
        return TokenizedExample(told.prompt_ids, told.replies[0], told.cut)

    return tokenize_rows(rows, tokenized)
