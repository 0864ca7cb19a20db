"""A prompt with a chosen and a rejected response, as TRL, RewardBench and most preference files write them.

Responses are texts, or messages of which the last is the response; those before it are the conversation where
the row has no prompt of its own.
"""

from typing import cast

from labeling.audit.human.form import KIND_COLUMNS, Found, each, made, own_name
from pipeline.row_content import PROMPT_COLUMNS, conversation_of, require_sound, text_of
from pipeline.rows import InputError, Row
from prompts.message import Conversation, conversation

_EXPECTED = "one response: text, or messages of which the last is the assistant's"


def _read(row: Row) -> Found:
    before, chosen = _response(row, "chosen")
    also_before, rejected = _response(row, "rejected")
    if before != also_before:
        what = "`chosen` and `rejected` answer different conversations"
        raise InputError(row.problem(what, key="rejected", expected="the same messages before the response"))
    # Without a prompt, messages before the response are one; with neither, the row is told what a prompt is.
    has_prompt = any(row.values.get(key) is not None for key in PROMPT_COLUMNS)
    asked = conversation_of(row) if has_prompt or not before else before
    kind = own_name(row, *KIND_COLUMNS)
    return Found(made(row, asked, (chosen, rejected), kind=kind, name=own_name(row, "id")), row)


read = each(_read)


def _response(row: Row, key: str) -> tuple[Conversation, str]:
    """What is said before a response, where the column tells, and the response."""
    value = row.values.get(key)
    if not isinstance(value, list):
        return (), text_of(row, key)
    if value and all(isinstance(message, dict) for message in value):
        return _last(row, key, _said(row, key, value))
    if len(value) == 1 and isinstance(value[0], str):
        require_sound(row, key, value[0])
        return (), value[0]
    raise InputError(row.problem(f"`{key}` holds {len(value)} responses", key=key, expected=_EXPECTED))


def _said(row: Row, key: str, value: list[object]) -> Conversation:
    try:
        return conversation(cast("list[dict[str, object]]", value))
    except ValueError as error:
        raise InputError(row.problem(f"`{key}`: {error}", key=key, expected=_EXPECTED)) from None


def _last(row: Row, key: str, said: Conversation) -> tuple[Conversation, str]:
    for message in said:
        require_sound(row, key, message.content)
    *before, last = said
    if last.role != "assistant":
        raise InputError(
            row.problem(f"`{key}` ends with the {last.role}'s turn", key=key, expected=_EXPECTED)
        )
    if before and before[-1].role != "user":
        raise InputError(row.problem(f"`{key}` holds more than one answer", key=key, expected=_EXPECTED))
    return tuple(before), last.content
