"""A prompt as a server is asked it: the request's fields, and the text that decides which server is asked.

Prompts come in, plain JSON values go out. Messages that end with the assistant's role are continued, which
takes two fields that vLLM and SGLang know.
"""

from engine.protocol import Sampling
from prompts.message import Message, Prompt, as_dicts

PREFILL_FIELDS = ("continue_final_message", "add_generation_prompt")

_TURN = "\n\nHuman:"
"""Opens a user's turn in the transcript family."""
_STICKY = 256
"""Characters of what is asked about: both orders of a pair and all its principles begin with them."""


def question(prompt: Prompt) -> dict[str, object]:
    """What the server is to read; `ValueError` for a prompt without words."""
    if prompt.text is not None:
        return {"prompt": prompt.text}
    if not prompt.messages:
        raise ValueError(f"template {prompt.template!r} gave a prompt without messages and without text")
    asked: dict[str, object] = {"messages": as_dicts(prompt.messages)}
    if prompt.messages[-1].role == "assistant":
        asked |= {"add_generation_prompt": False, "continue_final_message": True}
    return asked


def sampled(sampling: Sampling, stop: tuple[str, ...]) -> dict[str, object]:
    body: dict[str, object] = {
        "max_tokens": sampling.max_tokens,
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
    }
    if sampling.seed is not None:
        body["seed"] = sampling.seed
    if stop:
        body["stop"] = list(stop)
    return body


def joined(prompt: Prompt, completion: str) -> Prompt:
    """The prompt with the completion as its end, as text or as the assistant's (continued) message."""
    if prompt.text is not None:
        return Prompt(prompt.template, prompt.template_hash, text=prompt.text + completion)
    *before, last = prompt.messages
    if last.role == "assistant":
        ending = [*before, Message("assistant", last.content + completion)]
    else:
        ending = [*prompt.messages, Message("assistant", completion)]
    return Prompt(prompt.template, prompt.template_hash, messages=tuple(ending))


def sticky_key(prompt: Prompt) -> str:
    """The start of the last thing a user says: worked examples before it are the same for many rows."""
    if prompt.text is not None:
        return prompt.text[max(prompt.text.rfind(_TURN), 0) :][:_STICKY]
    said = [message.content for message in prompt.messages if message.role == "user"]
    return said[-1][:_STICKY] if said else ""
