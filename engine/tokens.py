"""A prompt as a model reads it: messages or text in, the rendered text and its token ids out.

Special tokens that stand in somebody's text are encoded as text, so that no data ends a turn or opens one.
Asking, scoring, rating and training all encode prompts here, so that a model is trained on what it is asked.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import cast

from transformers import PreTrainedTokenizerBase

from engine.protocol import EngineUnavailable
from prompts.message import Conversation, Prompt, as_dicts

PRIVATE_USE = range(0xE000, 0xF900)
"""Characters that mean nothing to anybody; one that no text holds marks where forged text stands."""


@dataclass(frozen=True, slots=True)
class Rendered:
    """What the model sees: the chat template's output, or the transcript, and its token ids."""

    text: str
    ids: list[int]


def render(tokenizer: PreTrainedTokenizerBase, prompt: Prompt) -> Rendered:
    """The prompt's text and token ids, from one rendering.

    Raises:
        EngineUnavailable: messages are to be rendered and the model has no chat template.
    """
    specials = [token for token in tokenizer.all_special_tokens if token]
    if prompt.text is not None:
        forged = any(token in prompt.text for token in specials)
        return Rendered(prompt.text, tokenizer(prompt.text, split_special_tokens=forged).input_ids)
    pieces = list(_pieces(tokenizer, prompt.messages, specials))
    ids = [_encoded(tokenizer, text, is_data=is_data) for text, is_data in pieces]
    return Rendered("".join(text for text, _ in pieces), [i for part in ids for i in part])


def encode_prompt(tokenizer: PreTrainedTokenizerBase, prompt: Prompt) -> list[int]:
    """The prompt's token ids."""
    return render(tokenizer, prompt).ids


def encode_answered(
    tokenizer: PreTrainedTokenizerBase, messages: Conversation, *, finished: bool
) -> list[int]:
    """Ids of a conversation that ends with the assistant's answer.

    One that is finished has the template's closing, whose end token says so; one that was cut off goes on.
    """
    specials = [token for token in tokenizer.all_special_tokens if token]
    pieces = _pieces(tokenizer, messages, specials, closed=finished)
    return [i for text, is_data in pieces for i in _encoded(tokenizer, text, is_data=is_data)]


def _pieces(
    tokenizer: PreTrainedTokenizerBase, messages: Conversation, specials: list[str], *, closed: bool = False
) -> Iterator[tuple[str, bool]]:
    """The rendered template in pieces, each with whether it is a text that holds forged special tokens.

    Marks stand in for such texts while the template is applied.
    """
    forged_at = [i for i, m in enumerate(messages) if any(token in m.content for token in specials)]
    unused = next(mark for mark in map(chr, PRIVATE_USE) if all(mark not in m.content for m in messages))
    marks = {i: f"{unused}{i}{unused}" for i in forged_at}
    marked = tuple(
        type(message)(message.role, marks.get(i, message.content)) for i, message in enumerate(messages)
    )
    rest = _apply_template(tokenizer, marked, closed=closed)
    for i in forged_at:
        before, found, after = rest.partition(marks[i])
        if found:  # a template may leave earlier messages out
            yield before, False
            yield messages[i].content, True
            rest = after
    yield rest, False


def _encoded(tokenizer: PreTrainedTokenizerBase, text: str, *, is_data: bool) -> list[int]:
    return tokenizer(text, add_special_tokens=False, split_special_tokens=is_data).input_ids


def _apply_template(
    tokenizer: PreTrainedTokenizerBase, messages: Conversation, *, closed: bool = False
) -> str:
    """The template's output: open for an answer, or for more of the one at its end, unless `closed`."""
    if not tokenizer.chat_template:
        raise EngineUnavailable(
            "the model has no chat template: use `prompts: {family: transcript}` for a base model"
        )
    prefill = messages[-1].role == "assistant"
    text = tokenizer.apply_chat_template(
        cast("list[dict[str, str]]", as_dicts(messages)),
        tokenize=False,
        add_generation_prompt=not (prefill or closed),
        continue_final_message=prefill and not closed,
    )
    return cast("str", text)
