"""Examples into token ids, with what does not fit `max_length` counted: cut or dropped, never in silence.

Prompts are encoded by the engine's own function, so that a model is trained on exactly the tokens that it is
asked with, special tokens forged in somebody's text included: they stay text. Responses get the template's
closing, whose end token teaches the model to stop.
"""

import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice, takewhile
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from transformers import PreTrainedTokenizerBase

from engine.tokens import encode_answered, encode_prompt
from pipeline.shards import writable
from prompts.message import Conversation, Prompt
from training.data import Example, Pair, Read, Rows, require_rows
from training.held_out import Sides
from training.model import Dropped
from training.settings import RewardModelSettings

if TYPE_CHECKING:
    from datasets import Dataset

_BATCH = 250
"""Rows that are written at a time."""

IGNORED = -100
"""The label of a token that the loss leaves out."""


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


@dataclass(frozen=True, slots=True)
class TokenizedComparison:
    """Token ids of two whole conversations and what is to be learnt of them.

    `target` is P(chosen), `margin` how far its reward is to be ahead. `prompt` is the same number for pairs
    of the same prompt; `held_out` pairs are not learnt from; `sampled` as a `Pair` has it.
    """

    chosen_ids: list[int]
    rejected_ids: list[int]
    target: float
    margin: float
    prompt: int
    held_out: bool
    sampled: bool

    @property
    def cut(self) -> bool:
        """A reward is read at the end, so an answer is whole or left out."""
        return False

    def columns(self) -> dict[str, object]:
        return {name: getattr(self, name) for name in self.__slots__}


Tokenized = TypeVar("Tokenized", TokenizedExample, TokenizedPair, TokenizedComparison)


@dataclass(frozen=True, slots=True)
class TokenizedRows:
    """What is trained on, which of the data set's rows are truncated, and every row that is dropped.

    `dataset` has the columns that TRL's collators take. It lies in a file of `folder`, mapped into memory
    where it is read, and goes with this object. `held_out` are rows beside it that are not trained on.
    """

    dataset: "Dataset"
    truncated: tuple[int, ...]
    dropped: tuple[Dropped, ...]
    folder: "tempfile.TemporaryDirectory[str]"
    held_out: "Dataset | None" = None

    def __len__(self) -> int:
        return len(self.dataset)

    def counts(self) -> dict[str, int]:
        """How many rows there are, and how many are cut or dropped."""
        counts = {
            "rows": len(self),
            "rows_truncated": len(self.truncated),
            "rows_dropped": len(self.dropped),
        }
        return counts if self.held_out is None else counts | {"rows_held_out": len(self.held_out)}


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
        prompt_ids, (completion_ids,) = _encode(tokenizer, example.prompt, [reply])
        _require_room(prompt_ids, max_length)
        room = _room(prompt_ids, max_length, max_completion_length)
        return TokenizedExample(prompt_ids, completion_ids[:room], len(completion_ids) > room)

    return _tokenize(rows, tokenized)


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
        prompt_ids, (chosen, rejected) = _encode(tokenizer, pair.prompt, replies)
        _require_room(prompt_ids, max_length)
        room = _room(prompt_ids, max_length, max_completion_length)
        cut = max(len(chosen), len(rejected)) > room
        return TokenizedPair(prompt_ids, chosen[:room], rejected[:room], pair.probability, cut)

    return _tokenize(rows, tokenized)


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
            raise _TooLongError(f"an answer ends beyond max_length {settings.max_length}")
        soft, prompt = settings.labels == "soft", sides.number(pair.prompt)
        margin = settings.margin if pair.margin is None else pair.margin
        return TokenizedComparison(
            chosen,
            rejected,
            target=pair.probability if soft else 1.0,
            margin=0.0 if soft else margin,
            prompt=prompt,
            held_out=sides.is_held_out(prompt),
            sampled=pair.sampled,
        )

    return _apart(_tokenize(rows, tokenized), rows.name)


def _apart(rows: TokenizedRows, name: str) -> TokenizedRows:
    """What is held out, taken out of what is trained on."""
    held_out = rows.dataset.data.column("held_out").to_numpy()
    sides = [rows.dataset.select(where.nonzero()[0], keep_in_memory=True) for where in (~held_out, held_out)]
    require_rows(name, len(sides[0]), rows.dropped)
    return replace(rows, dataset=sides[0], held_out=sides[1])


class _TooLongError(Exception):
    """This row does not fit; the text says why."""


def _require_room(prompt_ids: Sequence[int], max_length: int) -> None:
    if len(prompt_ids) >= max_length:
        raise _TooLongError(f"the prompt alone fills max_length {max_length}")


def _tokenize(rows: Rows[Read], tokenize: Callable[[Read], Tokenized]) -> TokenizedRows:
    truncated: list[int] = []
    dropped = list(rows.dropped)

    def fitting() -> Iterator[Tokenized]:
        for number, example in rows.kept:
            try:
                row = tokenize(example)
            except _TooLongError as reason:
                dropped.append(Dropped(number, str(reason)))
                continue
            if row.cut:
                truncated.append(number)
            yield row

    folder = tempfile.TemporaryDirectory(prefix="solon-tokens-", ignore_cleanup_errors=True)
    path = Path(folder.name, "tokens.arrow")
    with writable(path):
        count = _write(path, fitting())
    require_rows(rows.name, count, dropped)
    dropped.sort(key=lambda drop: drop.row)
    return TokenizedRows(_mapped(path), tuple(truncated), tuple(dropped), folder)


def _write(path: Path, rows: Iterator[Tokenized]) -> int:
    """The rows' columns as an Arrow stream, a batch at a time; gives their number."""
    import pyarrow as pa

    count, batch = 0, [row.columns() for row in islice(rows, _BATCH)]
    kinds = {list: pa.list_(pa.int64()), int: pa.int64(), float: pa.float64(), bool: pa.bool_()}
    schema = pa.schema([(name, kinds[type(of)]) for columns in batch[:1] for name, of in columns.items()])
    with path.open("wb") as file, pa.ipc.new_stream(file, schema) as stream:
        while batch:
            stream.write_batch(pa.RecordBatch.from_pylist(batch, schema=schema))
            count += len(batch)
            batch = [row.columns() for row in islice(rows, _BATCH)]
    return count


def _mapped(path: Path) -> "Dataset":
    from datasets import Dataset

    return Dataset.from_file(str(path))


def _room(prompt_ids: Sequence[int], max_length: int, max_completion_length: int | None) -> int:
    """How many tokens of a completion are learnt from."""
    room = max(max_length - len(prompt_ids), 0)
    return room if max_completion_length is None else min(room, max_completion_length)


def _encode(
    tokenizer: PreTrainedTokenizerBase,
    prompt: Conversation,
    replies: Sequence[tuple[Conversation, bool]],
) -> tuple[list[int], list[list[int]]]:
    """Ids of the prompt and of each reply after it: with the template's closing, or open where it is cut off.

    Where a template renders a prompt otherwise once an answer follows, the reply begins where they part.
    """
    prompt_ids = encode_prompt(tokenizer, _prompt(prompt))
    whole = [
        encode_answered(tokenizer, (*prompt, *reply), finished=not cut_off) for reply, cut_off in replies
    ]
    shared = min(_common_prefix(prompt_ids, ids) for ids in whole)
    return prompt_ids[:shared], [ids[shared:] for ids in whole]


def _prompt(messages: Conversation) -> Prompt:
    return Prompt(template="", template_hash="", messages=messages)


def _common_prefix(first: Sequence[int], second: Sequence[int]) -> int:
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(first, second, strict=False)))
