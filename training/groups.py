"""Ranked rows into token ids: a prompt with all of its answers, from best to worst, kept together.

In: rows of the ranked dataset (`labeling.ranked`): `prompt`, `completions` and their `ranks`, or `scores`
that the ranks follow from. Out: a tokenized row a group, and padded batches of whole groups.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence
from transformers import PreTrainedTokenizerBase

from prompts.message import Conversation
from training.data import (
    NothingToLearnError,
    Row,
    Rows,
    as_reply,
    checked,
    kind_of,
    messages_in,
    require_answerable,
    require_words,
    value_in,
)
from training.model import TrainingError
from training.tokens import Reply, TokenizedRows, encode_replies, tokenize_rows

COLUMNS = ("prompt", "completions", "ranks", "scores", "cut_off")
"""What is read of a row."""

TOKEN_COLUMNS = ("prompt_ids", "answers", "ranks")


@dataclass(frozen=True, slots=True)
class Group:
    """A prompt and two or more answers to it; rank 1 is the best, and equal ranks are a tie."""

    prompt: Conversation
    replies: tuple[Reply, ...]
    ranks: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class TokenizedGroup:
    """Token ids of a prompt and its answers; `cut` says whether an answer's end is missing."""

    prompt_ids: list[int]
    answers: list[list[int]]
    ranks: list[int]
    cut: bool

    def columns(self) -> dict[str, object]:
        return {name: getattr(self, name) for name in TOKEN_COLUMNS}


def read_ranked(rows: Iterable[Row]) -> Rows[Group]:
    """Groups of ranked answers; `TrainingError` where a row has no such shape or none is left.

    A group in which no answer is better than another is dropped, and so is one with an empty answer.
    """
    return checked(rows, _group, name="the ranked data set")


def tokenize_groups(
    rows: Rows[Group],
    tokenizer: PreTrainedTokenizerBase,
    *,
    max_length: int,
    max_completion_length: int | None = None,
) -> TokenizedRows:
    """Groups as token ids; `TrainingError` if no prompt leaves room for an answer."""

    def tokenized(group: Group) -> TokenizedGroup:
        told = encode_replies(
            tokenizer, group.prompt, group.replies, max_length=max_length, at_most=max_completion_length
        )
        return TokenizedGroup(told.prompt_ids, told.replies, list(group.ranks), told.cut)

    return tokenize_rows(rows, tokenized)


class GroupCollator:
    """Whole groups, one answer below the other, padded on the right, with the group and the rank of each."""

    def __init__(self, pad_token_id: int) -> None:
        self._pad_token_id = pad_token_id

    def __call__(self, groups: Sequence[Mapping[str, Any]]) -> dict[str, Tensor]:
        """`input_ids`, `attention_mask`, `completion_mask` of (answers, tokens); `groups`, `ranks`."""
        rows = [(group["prompt_ids"], answer) for group in groups for answer in group["answers"]]
        sizes = torch.tensor([len(group["answers"]) for group in groups])
        return {
            "input_ids": _padded([[*prompt, *answer] for prompt, answer in rows], self._pad_token_id),
            "attention_mask": _padded([[1] * (len(prompt) + len(answer)) for prompt, answer in rows], 0),
            "completion_mask": _padded([[0] * len(prompt) + [1] * len(answer) for prompt, answer in rows], 0),
            "groups": torch.arange(len(groups)).repeat_interleave(sizes),
            "ranks": torch.tensor([rank for group in groups for rank in group["ranks"]]),
        }


def _padded(rows: Sequence[Sequence[int]], value: int) -> Tensor:
    return pad_sequence([torch.tensor(row) for row in rows], batch_first=True, padding_value=value)


def _group(row: Row, where: str) -> Group:
    prompt = messages_in(row, "prompt", where=where)
    given = value_in(row, "completions", where=where)
    if isinstance(given, str | Mapping) or not isinstance(given, Iterable):
        raise TrainingError(f"{where}: `completions` is {kind_of(given)}, expected a list of answers")
    replies = [as_reply(each, f"completion {number}", where=where) for number, each in enumerate(given)]
    ranks = _ranks(row, len(replies), where=where)
    require_answerable(prompt)
    for number, reply in enumerate(replies):
        require_words(reply, f"completion {number}")
    if len(set(ranks)) < 2:
        raise NothingToLearnError("no completion is better than another")
    cut_off = _cut_off(row, len(replies), where=where)
    return Group(prompt, tuple(zip(replies, cut_off, strict=True)), ranks)


def _ranks(row: Row, count: int, *, where: str) -> tuple[int, ...]:
    """The column, or else ranks by falling `scores`: equal scores share one."""
    if row.get("ranks") is not None:
        return tuple(int(rank) for rank in _numbers(row, "ranks", count, where=where))
    scores = _numbers(row, "scores", count, where=where)
    return tuple(1 + sum(other > score for other in scores) for score in scores)


def _cut_off(row: Row, count: int, *, where: str) -> list[bool]:
    if row.get("cut_off") is None:
        return [False] * count
    return [value == 1 for value in _numbers(row, "cut_off", count, where=where)]


def _numbers(row: Row, column: str, count: int, *, where: str) -> list[float]:
    """A list with a finite number for each completion."""
    given = value_in(row, column, where=where)
    values = list(given) if isinstance(given, Iterable) and not isinstance(given, str) else []
    sound = all(isinstance(value, int | float) and value - value == 0 for value in values)
    if len(values) != count or not sound:
        raise TrainingError(f"{where}: `{column}` must have a finite number for each of {count} completions")
    return [float(value) for value in values]
