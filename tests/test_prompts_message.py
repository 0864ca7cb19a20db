"""Messages: read strictly, written as chat APIs and datasets want them."""

import pytest

from prompts.message import Message, as_dicts, conversation

STORED = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]


def test_stored_messages_come_back_as_they_were() -> None:
    assert conversation(STORED) == (Message("user", "Hi"), Message("assistant", "Hello"))
    assert as_dicts(conversation(STORED)) == STORED


@pytest.mark.parametrize(
    ("message", "told"),
    [
        (
            {"role": "human", "content": "x"},
            "message 1: role is 'human', expected one of system, user, assistant",
        ),
        ({"content": "x"}, "message 1: role is None"),
        ({"role": "user", "content": None}, "message 1: content is NoneType, expected text"),
        ({"role": "user", "content": ["parts"]}, "message 1: content is list, expected text"),
    ],
)
def test_a_message_that_is_not_one_is_told_by_its_place(message: dict[str, object], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        conversation([{"role": "user", "content": "Hi"}, message])
