"""What an OpenAI-compatible server answers, read strictly: the JSON object comes in, plain values go out.

Everything that a server can get wrong inside a well-formed HTTP answer is named here, as a `CallError` for
the row (no choices, no content, a log-probability that is none) or, where the server lacks a feature that the
question needs, as `EngineUnavailable`. `engine.openai` asks; this module only reads.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from pydantic import BaseModel, Field, ValidationError

from engine.protocol import CallError, EngineUnavailable, Score

_NEVER = -9000.0
"""JSON has no infinity: vLLM writes -9999 for a token that cannot come."""


class _Usage(BaseModel):
    prompt_tokens: int = 0
    completion_tokens: int = 0
    prompt_tokens_details: object = None

    @property
    def cached_tokens(self) -> int:
        """0 where the server does not say, or not in the usual way: no answer is lost for a figure."""
        details = self.prompt_tokens_details
        cached = details.get("cached_tokens") if isinstance(details, dict) else None
        return min(cached, self.prompt_tokens) if isinstance(cached, int) and cached > 0 else 0


class _Message(BaseModel):
    content: str | None = None
    refusal: str | None = None


class _Candidate(BaseModel):
    token: str
    logprob: float | None


class _Position(_Candidate):
    top_logprobs: list[_Candidate] = Field(default_factory=list)


class _ChatLogprobs(BaseModel):
    content: list[_Position] | None = None


class _TextLogprobs(BaseModel):
    tokens: list[str] = Field(default_factory=list)
    token_logprobs: list[float | None] = Field(default_factory=list)
    top_logprobs: list[dict[str, float | None] | None] | None = None


class _ChatChoice(BaseModel):
    message: _Message
    finish_reason: str | None = None
    logprobs: _ChatLogprobs | None = None


class _TextChoice(BaseModel):
    text: str | None = None
    finish_reason: str | None = None
    logprobs: _TextLogprobs | None = None


class _PromptToken(BaseModel):
    logprob: float | None
    decoded_token: str | None = None


class _Reply(BaseModel):
    usage: _Usage | None = None

    @property
    def prompt_tokens(self) -> int:
        return self.usage.prompt_tokens if self.usage else 0

    @property
    def cached_tokens(self) -> int:
        return self.usage.cached_tokens if self.usage else 0


class _ChatReply(_Reply):
    choices: list[_ChatChoice]
    prompt_logprobs: list[dict[str, _PromptToken] | None] | None = None


class _TextReply(_Reply):
    choices: list[_TextChoice]


class _Model(BaseModel):
    id: str


class _ModelList(BaseModel):
    data: list[_Model] = Field(default_factory=list)


class _Tokenized(BaseModel):
    tokens: list[int]


@dataclass(frozen=True, slots=True)
class Answer:
    text: str
    finish_reason: str
    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int = 0


@dataclass(frozen=True, slots=True)
class Token:
    """A token's text and its natural-log probability; `None` for the first token of a sequence."""

    text: str
    logprob: float | None


@dataclass(frozen=True, slots=True)
class Candidates:
    """The likeliest next tokens, at least one: no token left out is likelier than the smallest of them."""

    tokens: tuple[tuple[str, float], ...]
    prompt_tokens: int
    cached_tokens: int = 0

    @property
    def smallest(self) -> float:
        return min(value for _, value in self.tokens)

    @property
    def likeliest(self) -> str:
        return max(self.tokens, key=lambda token: token[1])[0]

    def logprob_of_token(self, token_id: int) -> float | None:
        """That of one token, where the server named tokens by number, as it was asked to."""
        name = f"token_id:{token_id}"
        return next((value for text, value in self.tokens if text == name), None)

    def logprob_of(self, label: str) -> float | None:
        """Log of the summed probability of the tokens that read as the label, such as "A" and " A"."""
        values = [value for text, value in self.tokens if text.strip() == label.strip()]
        if not values:
            return None
        top = max(values)
        return top + math.log(math.fsum(math.exp(value - top) for value in values))


def read_answer(reply: Mapping[str, object], *, is_chat: bool) -> Answer:
    """The text of the first choice; `CallError` where there is none."""
    parsed = _parsed(_ChatReply if is_chat else _TextReply, reply)
    choice = parsed.choices[0]
    text = choice.message.content if isinstance(choice, _ChatChoice) else choice.text
    if text is None:
        refusal = choice.message.refusal if isinstance(choice, _ChatChoice) else None
        why = f"it refused: {refusal!r}" if refusal else f"finish reason {choice.finish_reason!r}"
        raise CallError("null_content", f"the server answered without any text ({why})")
    return Answer(
        text=_encodable(text),
        finish_reason=choice.finish_reason or "stop",
        prompt_tokens=parsed.prompt_tokens,
        completion_tokens=parsed.usage.completion_tokens if parsed.usage else 0,
        cached_tokens=parsed.cached_tokens,
    )


def read_candidates(reply: Mapping[str, object], *, is_chat: bool) -> Candidates:
    """The likeliest tokens at the first position; `CallError` for a value that is not a number."""
    parsed = _parsed(_ChatReply if is_chat else _TextReply, reply)
    choice = parsed.choices[0]
    if choice.logprobs is None:
        raise CallError("no_logprobs", "the server answered this choice without log-probabilities")
    pairs = (
        _chat_pairs(choice.logprobs)
        if isinstance(choice.logprobs, _ChatLogprobs)
        else _text_pairs(choice.logprobs)
    )
    broken = next((text for text, value in pairs if value is None or math.isnan(value)), None)
    if broken is not None:
        raise CallError("nan_logprob", f"candidate token {broken!r} has a log-probability that is no number")
    tokens = tuple((text, value) for text, value in pairs if value is not None and value > _NEVER)
    if not tokens:
        raise CallError("no_logprobs", "the server answered this choice without any candidate token")
    return Candidates(tokens, parsed.prompt_tokens, parsed.cached_tokens)


def read_echoed_tokens(reply: Mapping[str, object]) -> tuple[Token, ...]:
    """The tokens of an echoed text prompt, without the one token that was generated after it."""
    parsed = _parsed(_TextReply, reply)
    logprobs = parsed.choices[0].logprobs
    if logprobs is None or not logprobs.tokens or len(logprobs.tokens) != len(logprobs.token_logprobs):
        raise _cannot_score()
    pairs = zip(logprobs.tokens, logprobs.token_logprobs, strict=True)
    echoed = parsed.prompt_tokens or len(logprobs.tokens) - 1
    return tuple(Token(text, value) for text, value in pairs)[:echoed]


def read_prompt_tokens(reply: Mapping[str, object]) -> tuple[Token, ...]:
    """The tokens of a chat prompt, as vLLM's `prompt_logprobs` gives them."""
    positions = _parsed(_ChatReply, reply).prompt_logprobs
    if not positions:
        raise _cannot_score()
    first = [next(iter(position.values())) if position else None for position in positions]
    return tuple(
        Token(entry.decoded_token or "", entry.logprob) if entry else Token("", None) for entry in first
    )


def read_token_ids(reply: Mapping[str, object]) -> tuple[int, ...]:
    """The tokens of a text, as vLLM's `tokenize` gives them."""
    return tuple(_parsed(_Tokenized, reply).tokens)


def read_model_names(reply: Mapping[str, object]) -> tuple[str, ...]:
    return tuple(model.id for model in _parsed(_ModelList, reply).data)


def score_of_ending(tokens: Sequence[Token], completion: str) -> Score:
    """The summed log-probability of the tokens at the end that together read as the completion.

    A character of several tokens comes as empty texts and then the whole, so empty texts belong to what
    follows them. `CallError("token_boundary")` where no token begins where the completion does.
    """
    start, text = len(tokens), ""
    while start > 0 and (len(text) < len(completion) or not tokens[start - 1].text):
        start -= 1
        text = tokens[start].text + text
    if text != completion:
        raise CallError(
            "token_boundary",
            f"no token begins where the completion does: the tokens there read {text[:40]!r}, "
            f"the completion begins {completion[:40]!r}",
        )
    values = [token.logprob for token in tokens[start:]]
    known = [value for value in values if value is not None and math.isfinite(value)]
    if len(known) < len(values):
        raise CallError("nan_logprob", "a token of the completion came without a finite log-probability")
    return Score(logprob=math.fsum(known), tokens=len(known), prompt_tokens=start)


ReplyT = TypeVar("ReplyT", bound=BaseModel)


def _parsed(shape: type[ReplyT], reply: Mapping[str, object]) -> ReplyT:
    if "choices" in shape.model_fields and not reply.get("choices"):
        raise CallError("no_choices", "the server answered without any choice")
    try:
        return shape.model_validate(reply)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        # The parser's own message quotes the answer at length; its place and reason are enough.
        raise CallError("bad_answer", f"the server's answer has a bad {where}: {first['msg']}") from None


def _chat_pairs(logprobs: _ChatLogprobs) -> list[tuple[str, float | None]]:
    """The listed candidates; the sampled token counts only where none are listed.

    A sampled token can be less likely than every listed one, and would spoil their smallest as a bound.
    """
    if not logprobs.content:
        return []
    position = logprobs.content[0]
    return [(candidate.token, candidate.logprob) for candidate in position.top_logprobs or [position]]


def _text_pairs(logprobs: _TextLogprobs) -> list[tuple[str, float | None]]:
    if not logprobs.top_logprobs or not logprobs.top_logprobs[0]:
        return []
    return list(logprobs.top_logprobs[0].items())


def _encodable(text: str) -> str:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise CallError(
            "bad_text", f"the answer holds a lone surrogate at character {error.start}"
        ) from error
    return text


def _cannot_score() -> EngineUnavailable:
    return EngineUnavailable(
        "the server returns no log-probabilities for the tokens of a prompt, which scoring needs. "
        "Use vLLM's server or the transformers engine."
    )
