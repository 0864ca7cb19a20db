"""A row in, what it says out: a conversation, a text, a short name; or an `InputError` that shows where not.

A conversation is the row's `prompt` (text, or messages as TRL writes them) or else its `messages`, and ends
with the user's turn; a demonstration is the row's `messages`, and ends with the assistant's. Blank texts are
refused, and those that UTF-8 cannot hold.
"""

from constitution.document import nearest
from pipeline.rows import InputError, Row
from prompts.message import Conversation, Message, Role, conversation

MAX_NAME = 200
"""Characters of an id or a category."""

PROMPT_COLUMNS = ("prompt", "messages")
EXPECTED = "`prompt` (text) or `messages` (a list of role and content that ends with the user's turn)"
DEMONSTRATED = "`messages` (a list of role and content: a user's turn, and the assistant's answer to it last)"


def conversation_of(row: Row) -> Conversation:
    """The row's `prompt`, or its `messages` where it has no prompt."""
    key = next((name for name in PROMPT_COLUMNS if row.values.get(name) is not None), None)
    if key is None:
        raise _no_prompt(row)
    value = row.values[key]
    if isinstance(value, str) and key == "prompt":
        said = (Message("user", value),)
    else:
        said = _messages(row, key, expected=EXPECTED)
    _require_last(row, key, said, role="user")
    for message in said:
        require_sound(row, key, message.content)
    return said


def demonstration_of(row: Row) -> Conversation:
    """The row's `messages`: what is asked and, last, what is to be answered."""
    key = "messages"
    said = _messages(row, key, expected=DEMONSTRATED)
    _require_last(row, key, said, role="assistant")
    if len(said) < 2 or said[-2].role != "user":
        what = f"`{key}` has no user's turn before the last answer"
        raise InputError(row.problem(what, key=key, expected=DEMONSTRATED))
    for message in said:
        require_sound(row, key, message.content)
    return said


def text_of(row: Row, key: str) -> str:
    """The text of a column; raises `InputError` where there is none, or none that can be used."""
    if key not in row.values:
        names = [str(name) for name in row.values]
        problem = row.problem(
            f"no `{key}`: the columns are {', '.join(names) or 'none'}",
            expected=f"`{key}` (text)",
            suggestion=nearest(key, names),
        )
        raise InputError(problem)
    value = row.values[key]
    if not isinstance(value, str):
        found = "empty" if value is None else type(value).__name__
        raise InputError(row.problem(f"`{key}` is {found}", key=key, expected="text"))
    require_sound(row, key, value)
    return value


def name_of(row: Row, key: str) -> str:
    """A short name from a column: text or a whole number, "" where there is none."""
    value = row.values.get(key)
    if value is None:
        return ""
    if not isinstance(value, str | int) or isinstance(value, bool):
        raise InputError(row.problem(f"`{key}` is {type(value).__name__}", key=key, expected="text"))
    name = str(value)
    if len(name) > MAX_NAME:
        what = f"`{key}` has {len(name)} characters"
        raise InputError(row.problem(what, key=key, expected=f"at most {MAX_NAME}"))
    if not name.isprintable():
        raise InputError(row.problem(f"`{key}` holds control characters", key=key, expected="printable text"))
    return name


def require_sound(row: Row, key: str, text: str) -> None:
    """`InputError` where a text is blank or holds what UTF-8 cannot."""
    if not text.strip():
        problem = row.problem(f"`{key}` is blank", key=key, expected="text", next_step="remove the row")
        raise InputError(problem)
    bad = next((mark for mark in text if mark == "\0" or "\ud800" <= mark <= "\udfff"), None)
    if bad is not None:
        name = "a NUL character" if bad == "\0" else f"half a character (\\u{ord(bad):04x})"
        raise InputError(row.problem(f"`{key}` holds {name}", key=key, expected="text that UTF-8 can hold"))


def _messages(row: Row, key: str, *, expected: str) -> Conversation:
    value = row.values.get(key)
    if not isinstance(value, list) or not all(isinstance(message, dict) for message in value):
        names = {str: "text", list: "a list of other things", type(None): "empty, or not there"}
        found = names.get(type(value), type(value).__name__)
        raise InputError(row.problem(f"`{key}` is {found}", key=key, expected=expected))
    try:
        return conversation(value)
    except ValueError as error:
        raise InputError(row.problem(f"`{key}`: {error}", key=key, expected=expected)) from None


def _require_last(row: Row, key: str, said: Conversation, *, role: Role) -> None:
    if said and said[-1].role == role:
        return
    last = f"ends with {_article(said[-1].role)}'s turn" if said else "is an empty list"
    step = "take the last answer off" if said and said[-1].role == "assistant" else ""
    expected = f"messages that end with the {role}'s turn"
    raise InputError(row.problem(f"`{key}` {last}", key=key, expected=expected, next_step=step))


def _article(role: str) -> str:
    return f"{'an' if role == 'assistant' else 'a'} {role}"


def _no_prompt(row: Row) -> InputError:
    columns = [str(name) for name in row.values]
    suggestion = next((name for name in PROMPT_COLUMNS if nearest(name, columns)), "")
    like = nearest(suggestion, columns) if suggestion else ""
    empty = next((name for name in PROMPT_COLUMNS if name in columns), None)
    if empty is not None:
        return InputError(row.problem(f"`{empty}` is empty", key=empty, expected=EXPECTED))
    return InputError(
        row.problem(
            f"no prompt: the columns are {', '.join(columns) or 'none'}",
            expected=EXPECTED,
            next_step=f"call the column `{like}` `{suggestion}`" if like else "",
        )
    )
