"""Rows of token ids as a person can read them: the texts of a row, and which of their tokens are learned.

In: a row as `training.tokens`, `responses` and `groups` write it. Out: its texts, each token marked. What is
marked is what the methods' collators put the loss on; `tests/test_training_marked.py` holds it to them.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby, islice
from typing import Any, cast

from transformers import PreTrainedTokenizerBase

from training.packing import LENGTHS
from training.tokens import IGNORED

_BESIDE = "KL_completion"
"""KTO's mismatched response: it is asked about, not learned."""


@dataclass(frozen=True, slots=True)
class Text:
    """One text of a row: token ids, and for each of them whether the loss is on it; `name` says what it is.

    `rated`: a number is read at its end, and no token is learned.
    """

    name: str
    ids: tuple[int, ...]
    learned: tuple[bool, ...]
    rated: bool = False

    @property
    def learned_tokens(self) -> int:
        return sum(self.learned)


@dataclass(frozen=True, slots=True)
class Span:
    """A piece of a text, all of it learned or none of it."""

    text: str
    learned: bool


def texts(row: Mapping[str, Any]) -> list[Text]:
    """The texts of one tokenized row, in the order of a batch.

    A reward is read at the last token of a conversation, so that one is marked. A prompt that is to be
    answered has nothing to learn yet.
    """
    if "labels" in row:
        return _conversations(row)
    if "answers" in row:
        ranked = enumerate(zip(row["answers"], row["ranks"], strict=True), 1)
        return [
            _answer(f"answer {number}, rank {rank}", row["prompt_ids"], ids) for number, (ids, rank) in ranked
        ]
    replies = {
        name.removesuffix("_ids"): cast("Sequence[int]", ids)
        for name, ids in row.items()
        if name.endswith("_ids") and name.removesuffix("_ids") not in ("prompt", _BESIDE)
    }
    if not replies:
        return [_text("prompt", row["prompt_ids"], [False] * len(row["prompt_ids"]))]
    if "prompt_ids" not in row:
        marks = {name: (*[False] * (len(ids) - 1), True) for name, ids in replies.items()}
        return [Text(name, tuple(ids), marks[name], rated=True) for name, ids in replies.items()]
    return [_answer(name, row["prompt_ids"], ids) for name, ids in replies.items()]


def spans(text: Text, tokenizer: PreTrainedTokenizerBase) -> Iterator[Span]:
    """The text, special tokens and all, where what is learned begins and ends."""
    for learned, run in groupby(zip(text.ids, text.learned, strict=True), key=lambda pair: pair[1]):
        yield Span(cast("str", tokenizer.decode([token for token, _ in run])), learned)


def aim(row: Mapping[str, Any]) -> str:
    """What the row says beside its texts: the label that is to be met; "" where it says nothing."""
    if "label" in row:
        return "good" if row["label"] else "bad"
    if "target" in row:
        margin = f", margin {row['margin']:g}" if row.get("margin") else ""
        return f"P(chosen) {row['target']:.2f}{margin}"
    return ""


def _conversations(row: Mapping[str, Any]) -> list[Text]:
    """That of a row of SFT, or all that are packed in it."""
    ids, learned = iter(row["input_ids"]), (label != IGNORED for label in row["labels"])
    lengths = row.get(LENGTHS) or [len(row["input_ids"])]
    return [_text("answer", [*islice(ids, tokens)], [*islice(learned, tokens)]) for tokens in lengths]


def _answer(name: str, prompt: Sequence[int], ids: Sequence[int]) -> Text:
    return _text(name, [*prompt, *ids], [False] * len(prompt) + [True] * len(ids))


def _text(name: str, ids: Sequence[int], learned: Sequence[bool]) -> Text:
    return Text(name, tuple(ids), tuple(learned))
