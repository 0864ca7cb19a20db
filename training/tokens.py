"""Examples into token ids, with what does not fit `max_length` counted: cut or dropped, never in silence.

Prompts are encoded by the engine's own function, so that a model is trained on exactly the tokens that it is
asked with, special tokens forged in somebody's text included: they stay text. Responses get the template's
closing, whose end token teaches the model to stop.
"""

import json
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice, takewhile
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from transformers import PreTrainedTokenizerBase

from engine.tokens import encode_answered, encode_prompt
from pipeline.shards import writable
from prompts.message import Conversation, Prompt, as_dicts
from training.data import Example, Pair, Question, Read, Rows, require_rows
from training.held_out import Sides
from training.model import Dropped, TrainingError
from training.settings import RewardModelSettings, TrainerSettings
from training.verifiers.attempt import BadReferenceError
from training.verifiers.registry import check_reference
from training.verifiers.settings import VerifierSettings

if TYPE_CHECKING:
    import pyarrow as pa
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


@dataclass(frozen=True, slots=True)
class TokenizedQuestion:
    """Token ids of a prompt, open for an answer.

    For whoever scores the answer: its messages as JSON, and of its row's columns those that verifiers read.
    """

    prompt_ids: list[int]
    prompt: str
    references: str

    @property
    def cut(self) -> bool:
        """A prompt is whole or left out."""
        return False

    def columns(self) -> dict[str, object]:
        return {"prompt_ids": self.prompt_ids, "prompt": self.prompt, "references": self.references}


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
    Pickled, it is what another process of this machine reads: the same file, without the folder.
    """

    dataset: "Dataset"
    truncated: tuple[int, ...]
    dropped: tuple[Dropped, ...]
    folder: "tempfile.TemporaryDirectory[str] | None"
    held_out: "Dataset | None" = None

    def __reduce__(self) -> tuple[type["TokenizedRows"], tuple[object, ...]]:
        return TokenizedRows, (self.dataset, self.truncated, self.dropped, None, self.held_out)

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
        told = encode_replies(
            tokenizer, example.prompt, [reply], max_length=max_length, at_most=max_completion_length
        )
        return TokenizedExample(told.prompt_ids, told.replies[0], told.cut)

    return tokenize_rows(rows, tokenized)


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


def tokenize_questions(
    rows: Rows[Question],
    tokenizer: PreTrainedTokenizerBase,
    *,
    max_length: int,
    max_completion_length: int,
    verifiers: Sequence[VerifierSettings] = (),
) -> TokenizedRows:
    """Prompts as token ids; one that leaves no room for `max_completion_length` tokens is dropped.

    Raises:
        TrainingError: no prompt is short enough, or a verifier finds no sound reference in a row.
    """
    room = max_length - max_completion_length
    columns = dict.fromkeys(settings.reads for settings in verifiers if settings.reads is not None)

    def tokenized(question: Question) -> TokenizedQuestion:
        _check_references(question, verifiers)
        ids = encode_prompt(tokenizer, _prompt(question.prompt))
        if len(ids) > room:
            raise _TooLongError(
                f"the prompt has more than max_length - max_completion_length = {room} tokens"
            )
        references = {name: question.columns[name] for name in columns}
        return TokenizedQuestion(
            ids, json.dumps(as_dicts(question.prompt)), json.dumps(references, default=list)
        )

    return tokenize_rows(rows, tokenized)


def _check_references(question: Question, verifiers: Sequence[VerifierSettings]) -> None:
    for settings in verifiers:
        try:
            check_reference(question.columns, settings)
        except BadReferenceError as error:
            asked = question.prompt[-1].content[:80]
            raise TrainingError(f"the prompt {asked!r} cannot be verified: {error}") from error


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
            source=pair.source,
        )

    return _apart(tokenize_rows(rows, tokenized), rows.name)


def _apart(rows: TokenizedRows, name: str) -> TokenizedRows:
    """What is held out, taken out of what is trained on."""
    held_out = rows.dataset.data.column("held_out").to_numpy()
    sides = [rows.dataset.select(where.nonzero()[0], keep_in_memory=True) for where in (~held_out, held_out)]
    require_rows(name, len(sides[0]), rows.dropped)
    return replace(rows, dataset=sides[0], held_out=sides[1])


class _TooLongError(Exception):
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
        raise _TooLongError(f"the prompt alone fills max_length {max_length}")
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
            except _TooLongError as reason:
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
