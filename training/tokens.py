"""Rows into token ids, with what does not fit `max_length` counted: cut or dropped, never in silence.

Prompts are encoded by the engine's own function, so that a model is trained on exactly the tokens that it is
asked with, special tokens forged in somebody's text included: they stay text. Responses get the template's
closing, whose end token teaches the model to stop. What a row holds is said by the file of its kind:
`examples`, `pairs`, `comparisons`, `questions`, `responses`, `groups`.
"""

import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice, takewhile
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from transformers import PreTrainedTokenizerBase

from engine.tokens import encode_answered, encode_prompt
from pipeline.shards import writable
from prompts.message import Conversation, Prompt
from training.data import Read, Rows, require_rows
from training.model import Dropped

if TYPE_CHECKING:
    import pyarrow as pa
    from datasets import Dataset

_BATCH = 250
"""Rows that are written at a time."""

IGNORED = -100
"""The label of a token that the loss leaves out."""

Reply = tuple[Conversation, bool]
"""An answer, and whether it is cut off, so that it has no end to learn."""


@dataclass(frozen=True, slots=True)
class Encoded:
    """Token ids of a prompt and of each reply to it, as far as there is room; `cut`: an end is missing."""

    prompt_ids: list[int]
    replies: list[list[int]]
    cut: bool


class TokenizedRow(Protocol):
    """A row as it is written: its columns, and whether something of it is missing."""

    @property
    def cut(self) -> bool: ...

    def columns(self) -> dict[str, object]: ...


@dataclass(frozen=True, slots=True)
class TokenizedRows:
    """What is trained on, which of the data set's rows are truncated, and every row that is dropped.

    `dataset` has the columns that TRL's collators take. It lies in a file of `folder`, mapped into memory
    where it is read, and goes with this object. `held_out` are rows beside it that are not trained on.
    Rows that are packed hold so many `conversations` together. Pickled, it is what another process of this
    machine reads: the same file, without the folder.
    """

    dataset: "Dataset"
    truncated: tuple[int, ...]
    dropped: tuple[Dropped, ...]
    folder: "tempfile.TemporaryDirectory[str] | None"
    held_out: "Dataset | None" = None
    conversations: int | None = None

    def __reduce__(self) -> tuple[type["TokenizedRows"], tuple[object, ...]]:
        told = (self.dataset, self.truncated, self.dropped, None, self.held_out, self.conversations)
        return TokenizedRows, told

    def __len__(self) -> int:
        return len(self.dataset)

    @property
    def learned(self) -> int:
        """Rows of the data set that are learned from."""
        return len(self) if self.conversations is None else self.conversations

    def counts(self) -> dict[str, int]:
        """How many rows there are, and how many are cut or dropped."""
        counts = {
            "rows": self.learned,
            "rows_truncated": len(self.truncated),
            "rows_dropped": len(self.dropped),
        }
        if self.held_out is not None:
            counts["rows_held_out"] = len(self.held_out)
        if self.conversations is not None:
            counts["rows_packed_into"] = len(self)
        return counts


class TooLongError(Exception):
    """This row does not fit; the text says why."""


def encode_replies(
    tokenizer: PreTrainedTokenizerBase,
    prompt: Conversation,
    replies: Sequence[Reply],
    *,
    max_length: int,
    at_most: int | None,
) -> Encoded:
    """A prompt and its replies as token ids, `at_most` so many of each reply; a longer one is cut at its end.

    For `tokenize_rows`, which drops a row whose prompt leaves no room.
    """
    prompt_ids, ids = _encode(tokenizer, prompt, replies)
    if len(prompt_ids) >= max_length:
        raise TooLongError(f"the prompt alone fills max_length {max_length}")
    room = max_length - len(prompt_ids)
    room = room if at_most is None else min(room, at_most)
    return Encoded(prompt_ids, [reply[:room] for reply in ids], max(map(len, ids)) > room)


def tokenize_rows(rows: Rows[Read], tokenize: Callable[[Read], TokenizedRow]) -> TokenizedRows:
    """Every row as token ids in a file; `TrainingError` where none of them fits."""
    truncated: list[int] = []
    dropped = list(rows.dropped)

    def fitting() -> Iterator[dict[str, object]]:
        for number, example in rows.kept:
            try:
                row = tokenize(example)
            except TooLongError as reason:
                dropped.append(Dropped(number, str(reason)))
                continue
            if row.cut:
                truncated.append(number)
            yield row.columns()

    folder = tempfile.TemporaryDirectory(prefix="solon-tokens-", ignore_cleanup_errors=True)
    path = Path(folder.name, "tokens.arrow")
    count = write_tokens(path, fitting())
    require_rows(rows.name, count, dropped)
    dropped.sort(key=lambda drop: drop.row)
    return TokenizedRows(mapped(path), tuple(truncated), tuple(dropped), folder)


def write_tokens(path: Path, rows: Iterator[dict[str, object]]) -> int:
    """The rows' columns as an Arrow stream, a batch at a time; gives their number."""
    import pyarrow as pa

    count, batch = 0, list(islice(rows, _BATCH))
    schema = pa.schema(
        [(name, _arrow_type(value)) for columns in batch[:1] for name, value in columns.items()]
    )
    with writable(path), path.open("wb") as file, pa.ipc.new_stream(file, schema) as stream:
        while batch:
            stream.write_batch(pa.RecordBatch.from_pylist(batch, schema=schema))
            count += len(batch)
            batch = list(islice(rows, _BATCH))
    return count


def _arrow_type(value: object) -> "pa.DataType":
    """The type of a column, by a value of it; an empty list is one of token ids."""
    import pyarrow as pa

    if isinstance(value, list):
        return pa.list_(_arrow_type(value[0]) if value else pa.int64())
    kinds = {int: pa.int64(), float: pa.float64(), bool: pa.bool_(), str: pa.large_string()}
    return kinds[type(value)]


def mapped(path: Path) -> "Dataset":
    """What `write_tokens` wrote, read from the file as it is asked for."""
    from datasets import Dataset

    return Dataset.from_file(str(path))


def _encode(
    tokenizer: PreTrainedTokenizerBase,
    prompt: Conversation,
    replies: Sequence[Reply],
) -> tuple[list[int], list[list[int]]]:
    """Ids of the prompt and of each reply after it: with the template's closing, or open where it is cut off.

    Where a template renders a prompt otherwise once an answer follows, the reply begins where they part.
    """
    prompt_ids = encode_prompt(tokenizer, prompt_of(prompt))
    whole = [
        encode_answered(tokenizer, (*prompt, *reply), finished=not cut_off) for reply, cut_off in replies
    ]
    shared = min(_common_prefix(prompt_ids, ids) for ids in whole)
    return prompt_ids[:shared], [ids[shared:] for ids in whole]


def prompt_of(messages: Conversation) -> Prompt:
    """A conversation to encode that no template made."""
    return Prompt(template="", template_hash="", messages=messages)


def _common_prefix(first: Sequence[int], second: Sequence[int]) -> int:
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(first, second, strict=False)))
