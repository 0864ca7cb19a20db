"""Unpaired rows into token ids: a response to a prompt, called good or bad, beside one that answers another.

In: rows of the unpaired dataset (`labeling.unpaired`): `prompt`, `completion`, `label`. Out: tokenized rows
in an order drawn by the seed, each with the mismatched response that KTO measures its distance from the
reference on. A pair's two responses are neighbours in the dataset; drawn apart, a batch has many prompts.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np
from transformers import PreTrainedTokenizerBase

from prompts.message import Conversation
from training.data import (
    Row,
    Rows,
    checked,
    kind_of,
    messages_in,
    reply_in,
    require_answerable,
    require_words,
    value_in,
)
from training.held_out import Sides
from training.model import TrainingError
from training.tokens import TokenizedRows, encode_replies, mapped, tokenize_rows, write_tokens

if TYPE_CHECKING:
    from tempfile import TemporaryDirectory

    from datasets import Dataset

COLUMNS = ("prompt", "completion", "label", "cut_off")
"""What is read of a row."""

NAME = "the unpaired data set"

_READ = 250
"""Rows that are put in their new places at a time."""


@dataclass(frozen=True, slots=True)
class Response:
    """One row: a response to a prompt, and whether it is a good one; `cut_off` says that it has no end."""

    prompt: Conversation
    completion: Conversation
    label: bool
    cut_off: bool = False


@dataclass(frozen=True, slots=True)
class TokenizedResponse:
    """Token ids of prompt and response; `prompt` is the same number for the same prompt."""

    prompt_ids: list[int]
    completion_ids: list[int]
    label: bool
    prompt: int
    cut: bool

    def columns(self) -> dict[str, object]:
        names = ("prompt_ids", "completion_ids", "label", "prompt")
        return {name: getattr(self, name) for name in names}


def read_unpaired(rows: Iterable[Row]) -> Rows[Response]:
    """Responses with their labels; `TrainingError` where a row has no such shape, or all labels are equal."""
    labels: set[bool] = set()

    def response(row: Row, where: str) -> Response:
        made = _response(row, where)
        labels.add(made.label)
        return made

    read = checked(rows, response, name=NAME)
    if len(labels) == 1:
        raise TrainingError(
            f"{NAME} has {'good' if labels.pop() else 'bad'} responses only, and KTO learns what tells them "
            "apart\nlabel more pairs, or train on the pairs themselves (`training.dpo`)"
        )
    return read


def tokenize_responses(
    rows: Rows[Response],
    tokenizer: PreTrainedTokenizerBase,
    *,
    max_length: int,
    max_completion_length: int | None = None,
    batch: int,
    seed: int,
) -> TokenizedRows:
    """Responses as token ids, drawn into an order, with the mismatched one of each in its batch.

    Raises:
        TrainingError: no prompt leaves room for a response, or there is one prompt only.
    """
    prompts = Sides(seed, -1)

    def tokenized(row: Response) -> TokenizedResponse:
        told = encode_replies(
            tokenizer, row.prompt, [(row.completion, row.cut_off)], max_length=max_length,
            at_most=max_completion_length,
        )  # fmt: skip
        number = prompts.number(row.prompt)
        return TokenizedResponse(told.prompt_ids, told.replies[0], row.label, number, told.cut)

    return _drawn(tokenize_rows(rows, tokenized), batch=batch, seed=seed)


def mismatched(prompts: Sequence[int], batch: int) -> list[int]:
    """For each row the place of the response that is set against its prompt.

    It is that of the row before it in its batch, the first row's that of the last (Ethayarajh et al. 2024,
    section 4.1: the same responses, other prompts). Rows of the same prompt are passed over, and a batch of
    one prompt looks at the rows before it: a response that does answer the prompt is no estimate of the
    distance from the reference.

    Raises:
        TrainingError: all rows have the same prompt.
    """
    return [_other(prompts, row, batch) for row in range(len(prompts))]


def _other(prompts: Sequence[int], row: int, batch: int) -> int:
    start = row - row % batch
    size = min(batch, len(prompts) - start)
    inside = (start + (row - start - step) % size for step in range(1, size))
    outside = ((start - step) % len(prompts) for step in range(1, len(prompts)))
    for places in (inside, outside):
        for place in places:
            if prompts[place] != prompts[row]:
                return place
    raise TrainingError(f"{NAME} has one prompt only, and KTO needs responses to others beside it")


def _drawn(rows: TokenizedRows, *, batch: int, seed: int) -> TokenizedRows:
    """The same rows in another order, each with `KL_completion_ids`, as TRL names them."""
    order = np.random.default_rng(seed).permutation(len(rows))
    prompts = rows.dataset.data.column("prompt").to_numpy()[order]
    others = order[mismatched(prompts.tolist(), batch)]
    path = Path(cast("TemporaryDirectory[str]", rows.folder).name, "drawn.arrow")
    write_tokens(path, _placed(rows.dataset, order.tolist(), others.tolist()))
    return replace(rows, dataset=mapped(path))


def _placed(rows: "Dataset", order: Sequence[int], others: Sequence[int]) -> Iterator[dict[str, object]]:
    for start in range(0, len(order), _READ):
        part = rows[order[start : start + _READ]]
        beside = rows[others[start : start + _READ]]["completion_ids"]
        for number, other in enumerate(beside):
            own = {name: part[name][number] for name in ("prompt_ids", "completion_ids", "label")}
            yield {**own, "KL_completion_ids": other}


def _response(row: Row, where: str) -> Response:
    prompt = messages_in(row, "prompt", where=where)
    completion = reply_in(row, "completion", where=where)
    label = value_in(row, "label", where=where)
    if not isinstance(label, bool | np.bool_):
        raise TrainingError(f"{where}: label is {kind_of(label)}, expected true (good) or false (bad)")
    require_answerable(prompt)
    require_words(completion, "the completion")
    return Response(prompt, completion, bool(label), cut_off=row.get("cut_off") is True)
