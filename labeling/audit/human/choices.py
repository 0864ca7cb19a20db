"""Multiple choice, as in the CAI paper's evaluations: a `prompt` with options, `corrects` and `incorrects`.

Of HHH files the conversation is read out of the prompt, and the options are responses to it. Other prompts
ask a question of their own, which is then what the user says, and the options are its answers.
"""

import re

from labeling.audit.human.form import Found, each, made
from labeling.audit.human.turns import turns
from pipeline.row_content import text_of
from pipeline.rows import InputError, Row
from prompts.message import Conversation, Message

_OPTION = re.compile(r"(?m)^ ?\(([A-Z])\) ")
_BRACKETED = re.compile(r"(?s)\[\[\[(.*)\]\]\]")
_END = re.compile(r"\s*The answer is:\s*$")
_ASKED = re.compile(r"\n\n[^\n]* Options:\s*$")
_EXPECTED = "a prompt with the options (A) and (B), of which `corrects` names one and `incorrects` the other"


def _read(row: Row) -> Found:
    correct, incorrect = _letter(row, "corrects"), _letter(row, "incorrects")
    asked, *options = _OPTION.split(_END.sub("", text_of(row, "prompt")))
    # Split at a group, options come as letter, text, letter, text.
    texts = dict(zip(options[::2], options[1::2], strict=True))
    if list(options[::2]) != ["A", "B"]:
        found = ", ".join(f"({letter})" for letter in options[::2]) or "none"
        raise InputError(row.problem(f"the options are {found}", key="prompt", expected=_EXPECTED))
    if {correct, incorrect} != {"A", "B"}:
        what = f"({correct}) is correct and ({incorrect}) incorrect"
        raise InputError(row.problem(what, key="corrects", expected=_EXPECTED))
    responses = (_text(row, texts[correct]), _text(row, texts[incorrect]))
    pair = made(row, _conversation(asked), responses)
    return Found(pair, row, correct, "chosen" if correct == "A" else "rejected")


read = each(_read)


def _letter(row: Row, key: str) -> str:
    values = row.values.get(key)
    if not isinstance(values, list) or len(values) != 1:
        found = f"{len(values)} letters" if isinstance(values, list) else "no list"
        raise InputError(row.problem(f"`{key}` holds {found}", key=key, expected='one letter: [" (A)"]'))
    return str(values[0]).strip(" ()")


def _text(row: Row, option: str) -> str:
    bracketed = _BRACKETED.fullmatch(option.strip())
    text = bracketed[1] if bracketed else option.strip()
    if not text.strip():
        raise InputError(row.problem("an option is blank", key="prompt", next_step="remove the row"))
    return text


def _conversation(asked: str) -> Conversation:
    """The quoted conversation where the options continue it; else the question as it stands."""
    quoted = _ASKED.search(asked)
    said = turns(asked[: quoted.start()]) if quoted else ()
    if said and said[-1].role == "user":
        return said
    return (Message("user", asked.strip()),)
