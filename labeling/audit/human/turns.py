"""`Human:` and `Assistant:` paragraphs read as messages: the form of hh-rlhf and of the CAI paper's files."""

import re

from prompts.message import Conversation, Message

_TURN = re.compile(r"\n\n(Human|Assistant):")


def turns(text: str) -> Conversation:
    """The messages of a transcript, without the words before the first; () where there is no turn."""
    parts = _TURN.split(f"\n\n{text.lstrip()}")
    spoken = zip(parts[1::2], parts[2::2], strict=True)
    return tuple(Message("user" if who == "Human" else "assistant", said.strip()) for who, said in spoken)
