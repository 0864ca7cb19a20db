"""hh-rlhf: `chosen` and `rejected` are whole transcripts that differ in the assistant's last turn alone.

The conversation keeps all of its turns; most of these files' conversations have more than one.
"""

from labeling.audit.human.form import Found, each, made
from labeling.audit.human.turns import turns
from pipeline.row_content import PROMPT_COLUMNS, text_of
from pipeline.rows import InputError, Row
from prompts.message import Conversation

_EXPECTED = "two transcripts of `Human:` and `Assistant:` turns that differ only in the assistant's last turn"


def _read(row: Row) -> Found:
    chosen, rejected = _turns(row, "chosen"), _turns(row, "rejected")
    if chosen[:-1] != rejected[:-1]:
        what = "`chosen` and `rejected` differ before their last turn"
        raise InputError(row.problem(what, key="rejected", expected=_EXPECTED))
    return Found(made(row, chosen[:-1], (chosen[-1].content, rejected[-1].content)), row)


read = each(_read)


def fits(row: Row) -> bool:
    """Whether the row has texts of whole conversations, and no prompt of its own."""
    has_prompt = any(row.values.get(key) is not None for key in PROMPT_COLUMNS)
    return not has_prompt and isinstance(row.values["chosen"], str)


def _turns(row: Row, key: str) -> Conversation:
    said = turns(text_of(row, key))
    if len(said) < 2 or said[-1].role != "assistant" or said[-2].role != "user":
        roles = ", ".join(message.role for message in said) or "none"
        raise InputError(row.problem(f"the turns of `{key}` are {roles}", key=key, expected=_EXPECTED))
    if not said[-1].content:
        raise InputError(
            row.problem(f"the last turn of `{key}` is blank", key=key, next_step="remove the row")
        )
    return said
