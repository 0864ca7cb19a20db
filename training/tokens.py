"""Examples into token ids, with what does not fit `max_length` counted: cut or dropped, never in silence.

Prompts are encoded by the engine's own function, so that a model is trained on exactly the tokens that it is
asked with, special tokens forged in somebody's text included: they stay text. Responses get the template's
closing, whose end token teaches the model to stop.
"""

import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice, takewhile
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar, cast

from transformers import PreTrainedTokenizerBase

from engine.tokens import encode_prompt
from pipeline.shards import writable
from prompts.message import Conversation, Prompt
from training.data import Example, Pair, Read, Rows, require_rows
from training.model import Dropped

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

    def columns(self) -> dict[str, list[int]]:
        return {
            "input_ids": self.prompt_ids + self.completion_ids,
            "labels": [IGNORED] * len(self.prompt_ids) + self.completion_ids,
        }


@dataclass(frozen=True, slots=True)
class TokenizedPair:
    """Token ids of a prompt and its two answers; `cut` says whether an answer's end is missing."""

    prompt_ids: list[int]
    chosen_ids: list[int]
    rejected_ids: list[int]
    cut: bool

    def columns(self) -> dict[str, list[int]]:
        return {
            "prompt_ids": self.prompt_ids,
            "chosen_ids": self.chosen_ids,
            "rejected_ids": self.rejected_ids,
        }


Tokenized = TypeVar("Tokenized", TokenizedExample, TokenizedPair)


@dataclass(frozen=True, slots=True)
class TokenizedRows:
    """What is trained on, which of the data set's rows are truncated, and every row that is dropped.

    `dataset` has the columns that TRL's collators take. It lies in a file of `folder`, mapped into memory
    where it is read, and goes with this object.
    """

    dataset: "Dataset"
    truncated: tuple[int, ...]
    dropped: tuple[Dropped, ...]
    folder: "tempfile.TemporaryDirectory[str]"

    def __len__(self) -> int:
        return len(self.dataset)

    def counts(self) -> dict[str, int]:
        """How many rows there are, and how many are cut or dropped."""
        return {
            "rows": len(self),
            "rows_truncated": len(self.truncated),
            "rows_dropped": len(self.dropped),
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
        prompt_ids, (completion_ids,) = _encode(tokenizer, example.prompt, [reply])
        room = _room(prompt_ids, max_length, max_completion_length)
        return TokenizedExample(prompt_ids, completion_ids[:room], len(completion_ids) > room)

    return _tokenize(rows, tokenized, max_length)


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
        room = _room(prompt_ids, max_length, max_completion_length)
        cut = max(len(chosen), len(rejected)) > room
        return TokenizedPair(prompt_ids, chosen[:room], rejected[:room], cut)

    return _tokenize(rows, tokenized, max_length)


def _tokenize(rows: Rows[Read], tokenize: Callable[[Read], Tokenized], max_length: int) -> TokenizedRows:
    truncated: list[int] = []
    dropped = list(rows.dropped)

    def fitting() -> Iterator[Tokenized]:
        for number, example in rows.kept:
            row = tokenize(example)
            if len(row.prompt_ids) >= max_length:
                dropped.append(Dropped(number, f"the prompt alone fills max_length {max_length}"))
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
    schema = pa.schema([(name, pa.list_(pa.int64())) for columns in batch[:1] for name in columns])
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
        (_encode_open if cut_off else _encode_closed)(tokenizer, (*prompt, *reply))
        for reply, cut_off in replies
    ]
    shared = min(_common_prefix(prompt_ids, ids) for ids in whole)
    return prompt_ids[:shared], [ids[shared:] for ids in whole]


def _encode_closed(tokenizer: PreTrainedTokenizerBase, messages: Conversation) -> list[int]:
    """Ids of a conversation that ends with the assistant's finished message.

    Texts that hold special tokens are put in after the template was applied, and encoded as plain text.
    """
    specials = [token for token in tokenizer.all_special_tokens if token]
    forged = {
        _mark(i): message.content
        for i, message in enumerate(messages)
        if any(token in message.content for token in specials)
    }
    marked = [
        {"role": message.role, "content": mark if (mark := _mark(i)) in forged else message.content}
        for i, message in enumerate(messages)
    ]
    rest = cast("str", tokenizer.apply_chat_template(marked, tokenize=False))
    ids: list[int] = []
    for mark, content in forged.items():
        before, found, after = rest.partition(mark)
        if found:  # a template may leave earlier messages out
            ids += tokenizer(before, add_special_tokens=False).input_ids
            ids += tokenizer(content, add_special_tokens=False, split_special_tokens=True).input_ids
            rest = after
    return ids + tokenizer(rest, add_special_tokens=False).input_ids


def _mark(position: int) -> str:
    return f"\ue000{position}\ue001"


def _encode_open(tokenizer: PreTrainedTokenizerBase, messages: Conversation) -> list[int]:
    """Ids of a conversation whose last message goes on: no end token."""
    return encode_prompt(tokenizer, _prompt(messages))


def _prompt(messages: Conversation) -> Prompt:
    return Prompt(template="", template_hash="", messages=messages)


def _common_prefix(first: Sequence[int], second: Sequence[int]) -> int:
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(first, second, strict=False)))
