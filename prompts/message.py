"""A message, a conversation, a prompt: what is said to a model, before any engine sees it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal, TypedDict, cast, get_args

Role = Literal["system", "user", "assistant"]
ROLES: tuple[Role, ...] = get_args(Role)


class MessageDict(TypedDict):
    """The stored form of a message, as OpenAI's API and TRL's conversational datasets write it."""

    role: str
    content: str


@dataclass(frozen=True, slots=True)
class Message:
    role: Role
    content: str

    def as_dict(self) -> MessageDict:
        return {"role": self.role, "content": self.content}


Conversation = tuple[Message, ...]
"""Messages in order; a prompt to answer ends with a user message."""


def conversation(messages: Iterable[Mapping[str, object]]) -> Conversation:
    """Read stored messages; `ValueError` says which message is wrong and what was expected."""
    return tuple(_message(position, message) for position, message in enumerate(messages))


def as_dicts(messages: Conversation) -> list[MessageDict]:
    return [message.as_dict() for message in messages]


def _message(position: int, message: Mapping[str, object]) -> Message:
    role, content = message.get("role"), message.get("content")
    if role not in ROLES:
        raise ValueError(f"message {position}: role is {role!r}, expected one of {', '.join(ROLES)}")
    if not isinstance(content, str):
        raise ValueError(f"message {position}: content is {type(content).__name__}, expected text")
    return Message(cast("Role", role), content)


@dataclass(frozen=True, slots=True)
class Prompt:
    """One rendered template, ready to be asked.

    Exactly one of `messages` (chat family) and `text` (transcript family) is set. Messages that end
    with the assistant's role are a prefill: the model continues that message. `template` and
    `template_hash` say where the words came from and go into every record made from the answer.
    `stop` holds the strings at which an answer ends, as the family's turn marks ask.
    """

    template: str
    template_hash: str
    messages: Conversation = ()
    text: str | None = None
    stop: tuple[str, ...] = ()
