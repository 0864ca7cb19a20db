"""Examples into token ids, with what does not fit `max_length` counted: cut or dropped, never in silence.

Prompts are encoded by the engine's own function, so that a model is trained on exactly the tokens that it is
asked with, special tokens forged in somebody's text included: they stay text. Responses get the template's
closing, whose end token teaches the model to stop.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import TYPE_CHECKING, Generic, TypeVar, cast

from transformers import PreTrainedTokenizerBase

from engine.tokens import encode_prompt
from prompts.message import Conversation, Prompt
from training.data import Example, Pair, Read, Rows, require_rows
from training.model import Dropped

if TYPE_CHECKING:
    from datasets import Dataset

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
class TokenizedRows(Generic[Tokenized]):
    """What is trained on, which of those rows are truncated, and every row that is dropped."""

    rows: tuple[Tokenized, ...]
    truncated: tuple[int, ...]
    dropped: tuple[Dropped, ...]

    def counts(self) -> dict[str, int]:
        """How many rows there are, and how many are cut or dropped."""
        return {
            "rows": len(self.rows),
            "rows_truncated": len(self.truncated),
            "rows_dropped": len(self.dropped),
        }

    def dataset(self) -> "Dataset":
        """The columns that TRL's collators take."""
        from datasets import Dataset

        columns: dict[str, list[list[int]]] = {name: [] for name in self.rows[0].columns()}
        for row in self.rows:
            for name, ids in row.columns().items():
                columns[name].append(ids)
        return Dataset.from_dict(columns)


def tokenize_examples(
    rows: Rows[Example],
    tokenizer: PreTrainedTokenizerBase,
    *,
    max_length: int,
    max_completion_length: int | None = None,
) -> TokenizedRows[TokenizedExample]:
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
) -> TokenizedRows[TokenizedPair]:
    """Preference rows as token ids; `TrainingError` if no prompt leaves room for an answer."""

    def tokenized(pair: Pair) -> TokenizedPair:
        replies = [(pair.chosen, pair.chosen_cut_off), (pair.rejected, pair.rejected_cut_off)]
        prompt_ids, (chosen, rejected) = _encode(tokenizer, pair.prompt, replies)
        room = _room(prompt_ids, max_length, max_completion_length)
        cut = max(len(chosen), len(rejected)) > room
        return TokenizedPair(prompt_ids, chosen[:room], rejected[:room], cut)

    return _tokenize(rows, tokenized, max_length)


def _tokenize(
    rows: Rows[Read], tokenize: Callable[[Read], Tokenized], max_length: int
) -> TokenizedRows[Tokenized]:
    kept: list[Tokenized] = []
    truncated: list[int] = []
    dropped = list(rows.dropped)
    for number, example in rows.kept:
        row = tokenize(example)
        if len(row.prompt_ids) >= max_length:
            dropped.append(Dropped(number, f"the prompt alone fills max_length {max_length}"))
            continue
        kept.append(row)
        if row.cut:
            truncated.append(number)
    require_rows(rows.name, len(kept), dropped)
    return TokenizedRows(tuple(kept), tuple(truncated), tuple(sorted(dropped, key=lambda drop: drop.row)))


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
