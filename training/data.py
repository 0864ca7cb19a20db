"""Rows into examples: every row checked, what cannot be trained on counted with its reason, before any model.

In: plain dicts, as they come from a Parquet file or a stage, as often as they are gone through. Out:
conversations, split where the loss begins. A row of the wrong shape is an error; a row with nothing to learn
from is dropped and reported.
"""

import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from prompts.message import Conversation, conversation
from training.model import Dropped, TrainingError

Row = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Example:
    """One row of SFT: the loss is on `completion`, the last assistant message.

    `cut_off` says that the completion has no end, so none may be learnt.
    """

    prompt: Conversation
    completion: Conversation
    cut_off: bool = False


@dataclass(frozen=True, slots=True)
class Pair:
    """One row of preferences: two answers to one prompt, and which of them has no end.

    `probability` is that of chosen being better, 1 where the row says none; `margin` how far it is to be
    ahead, None where the row says nothing. `source` says how the pair came about, "" where the row does not.
    """

    prompt: Conversation
    chosen: Conversation
    rejected: Conversation
    chosen_cut_off: bool = False
    rejected_cut_off: bool = False
    probability: float = 1.0
    margin: float | None = None
    source: str = ""


@dataclass(frozen=True, slots=True)
class Question:
    """One row of an online method: a prompt whose answers are sampled and scored.

    `columns` is what else the row has; verifiers read references there.
    """

    prompt: Conversation
    columns: Row = field(default_factory=dict)


Read = TypeVar("Read")


@dataclass(frozen=True, slots=True)
class Kept(Generic[Read]):
    """Examples with the row that each came from, read anew each time they are gone through."""

    rows: Iterable[Row]
    read: Callable[[Row], Read]
    left_out: frozenset[int]
    count: int

    def __len__(self) -> int:
        return self.count

    def __iter__(self) -> Iterator[tuple[int, Read]]:
        for number, row in enumerate(self.rows):
            if number not in self.left_out:
                yield number, self.read(row)


@dataclass(frozen=True, slots=True)
class Rows(Generic[Read]):
    """What is left of a data set, and what was dropped."""

    name: str
    kept: Kept[Read]
    dropped: tuple[Dropped, ...]


class NothingToLearnError(Exception):
    """This row holds nothing to learn from and is dropped; the text says why."""


def read_sft(rows: Iterable[Row]) -> Rows[Example]:
    """Examples from rows with `messages`; `TrainingError` where a row has no such shape or none is left."""
    return checked(rows, _example, name="the SFT data set")


def read_preferences(rows: Iterable[Row]) -> Rows[Pair]:
    """Pairs from rows with `prompt`, `chosen`, `rejected`; `TrainingError` as for `read_sft`.

    Other columns are provenance and are left out, but a `chosen_probability` must say that chosen is ahead.
    """
    return checked(rows, _pair, name="the preference data set")


def read_questions(rows: Iterable[Row]) -> Rows[Question]:
    """Prompts to answer from rows with `prompt`; `TrainingError` as for `read_sft`."""
    return checked(rows, _question, name="the prompts to answer")


def checked(rows: Iterable[Row], read: Callable[[Row, str], Read], *, name: str) -> Rows[Read]:
    """Look at every row once; none of them is kept, so that there may be more than memory holds.

    `read` makes an example of a row and is told where the row stands; it raises `NothingToLearnError` for
    one that is to be dropped, and `TrainingError` for one of the wrong shape.
    """
    count, dropped = 0, list[Dropped]()
    for number, row in enumerate(rows):
        try:
            read(row, f"{name}, row {number}")
            count += 1
        except NothingToLearnError as reason:
            dropped.append(Dropped(number, str(reason)))
    require_rows(name, count, dropped)
    left_out = frozenset(drop.row for drop in dropped)
    return Rows(name, Kept(rows, lambda row: read(row, name), left_out, count), tuple(dropped))


def require_rows(name: str, kept: int, dropped: Sequence[Dropped]) -> None:
    """`TrainingError` with the reasons and the next step where nothing is left to train on."""
    if kept:
        return
    if not dropped:
        raise TrainingError(f"{name} has no rows\nrun the stage that writes it, and look at its report")
    raise TrainingError(
        f"{name} has no rows left: {len(dropped)} dropped because {reasons(dropped)}\n"
        "look at these rows, or give more prompts or a larger max_length"
    )


def reasons(dropped: Iterable[Dropped]) -> str:
    """`3 x prompt too long, 1 x completion is empty`."""
    counts = Counter(drop.reason for drop in dropped)
    return ", ".join(f"{count} x {reason}" for reason, count in counts.most_common())


def _example(row: Row, where: str) -> Example:
    messages = messages_in(row, "messages", where=where)
    if not messages:
        raise NothingToLearnError("messages are empty")
    if messages[-1].role != "assistant":
        raise TrainingError(
            f"{where}: the last message is the {messages[-1].role}'s, expected the assistant's\n"
            "the last assistant message is what the model learns to write"
        )
    prompt, completion = messages[:-1], messages[-1:]
    require_answerable(prompt)
    require_words(completion, "the last assistant message")
    return Example(prompt, completion, cut_off=row.get("cut_off") is True)


def _pair(row: Row, where: str) -> Pair:
    prompt = messages_in(row, "prompt", where=where)
    chosen, rejected = (reply_in(row, column, where=where) for column in ("chosen", "rejected"))
    require_answerable(prompt)
    require_words(chosen, "chosen")
    require_words(rejected, "rejected")
    if chosen == rejected:
        raise NothingToLearnError("chosen and rejected are the same")
    _check_ahead(row, where)
    cut_off = [row.get(f"{column}_cut_off") is True for column in ("chosen", "rejected")]
    probability, margin = (number_in(row, name, where=where) for name in ("chosen_probability", "margin"))
    if margin is not None and not math.isfinite(margin):
        raise TrainingError(f"{where}: margin is {margin}, expected a finite number")
    return Pair(
        prompt,
        chosen,
        rejected,
        *cut_off,
        probability=1.0 if probability is None else probability,
        margin=margin,
        source=str(row.get("source") or ""),
    )


def _question(row: Row, where: str) -> Question:
    prompt = messages_in(row, "prompt", where=where)
    require_answerable(prompt)
    return Question(prompt, {name: value for name, value in row.items() if name != "prompt"})


def messages_in(row: Row, column: str, *, where: str) -> Conversation:
    """The messages of a column; `TrainingError` where it is missing or holds something else."""
    return as_messages(value_in(row, column, where=where), f"`{column}`", where=where)


def value_in(row: Row, column: str, *, where: str) -> object:
    """What a column holds that every row must have."""
    if column not in row:
        columns = ", ".join(row) or "none"
        raise TrainingError(f"{where}: column `{column}` is missing; its columns are: {columns}")
    return row[column]


def as_messages(value: object, name: str, *, where: str) -> Conversation:
    """A list of messages as a conversation; `name` says what it is."""
    if isinstance(value, str) or not isinstance(value, Iterable):
        raise TrainingError(
            f"{where}: {name} is {kind_of(value)}, expected a list of messages\n"
            'as in [{"role": "user", "content": "..."}]'
        )
    entries = list(value)
    if not all(isinstance(entry, Mapping) for entry in entries):
        raise TrainingError(f"{where}: {name} holds something other than role and content mappings")
    try:
        return conversation(entries)
    except ValueError as error:
        raise TrainingError(f"{where}: {name}: {error}") from error


def reply_in(row: Row, column: str, *, where: str) -> Conversation:
    """An answer: messages that begin and end with the assistant's, or none."""
    return as_reply(value_in(row, column, where=where), f"`{column}`", where=where)


def as_reply(value: object, name: str, *, where: str) -> Conversation:
    reply = as_messages(value, name, where=where)
    if reply and (reply[0].role, reply[-1].role) != ("assistant", "assistant"):
        raise TrainingError(f"{where}: {name} must begin and end with the assistant's message")
    return reply


def require_answerable(prompt: Conversation) -> None:
    """`NothingToLearnError` where nobody is asked anything."""
    if not prompt:
        raise NothingToLearnError("the prompt is empty")
    if prompt[-1].role == "assistant":
        raise NothingToLearnError("the prompt ends with the assistant's message")
    if not prompt[-1].content.strip():
        raise NothingToLearnError("the prompt's last message is empty")


def require_words(reply: Conversation, name: str) -> None:
    """`NothingToLearnError` where the answer says nothing."""
    if not reply or not reply[-1].content.strip():
        raise NothingToLearnError(f"{name} is empty")


def number_in(row: Row, column: str, *, where: str) -> float | None:
    """A column that need not be there, nor be filled."""
    value = row.get(column)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TrainingError(f"{where}: {column} is {kind_of(value)}, expected a number")
    return float(value)


def _check_ahead(row: Row, where: str) -> None:
    probability = number_in(row, "chosen_probability", where=where)
    if probability is None:
        return
    if probability == 0.5:
        raise NothingToLearnError("a tie: chosen_probability is 0.5")
    if not 0.5 < probability <= 1:
        raise NothingToLearnError("chosen_probability is not between 0.5 and 1, so rejected is not behind")


def kind_of(value: object) -> str:
    """A value in an error: what it is, not what it says."""
    return "empty" if value is None else f"a {type(value).__name__}"
