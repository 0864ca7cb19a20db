"""How likely each label is next, asked of a server in the best way that it has.

A prompt and labels come in, a `Choice` goes out. The ways, best first: the log-probabilities of exactly the
labels' tokens (`logprob_token_ids`, vLLM 0.28 and later); those of a model that is held to the labels, under
the names that servers have for it; those of the likeliest tokens. Which of them a server honours is found out
once with a small request; where it tokenises (vLLM's `tokenize`), labels are checked to be single tokens.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from engine.http_reply import Rejected
from engine.labels import choice_from_logprobs, label_token_ids, require_labels
from engine.openai_question import joined
from engine.openai_reply import Candidates, read_candidates, read_token_ids
from engine.protocol import CallError, Choice, EngineUnavailable, LabelWay
from prompts.message import Message, Prompt

Ask = Callable[[Prompt, Mapping[str, object]], Awaitable[Mapping[str, object]]]
Ids = Mapping[str, int]
Labels = tuple[str, ...]

ONE_TOKEN = {"max_tokens": 1, "temperature": 0.0}
"""For answers that are read from log-probabilities; asking for no token at all breaks some servers."""

_ENDING = 32
"""Characters before a label that decide its token; no tokenizer merges across so many."""
_PROBES = 3
"""Times that a way is tried before it counts as not honoured: one broken answer proves nothing."""
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Way:
    """One way to ask: the fields it adds, given the labels and, where it needs them, their token ids."""

    name: Literal["token_ids", "constrained", "top_logprobs"]
    by_ids: bool
    fields: Callable[[Labels, Ids], dict[str, object]]


_WAYS = (
    _Way("token_ids", True, lambda _, ids: {"logprob_token_ids": list(ids.values())}),
    _Way("constrained", True, lambda _, ids: {"allowed_token_ids": list(ids.values())}),
    _Way("constrained", False, lambda labels, _: {"structured_outputs": {"choice": list(labels)}}),
    _Way("constrained", False, lambda labels, _: {"guided_choice": list(labels)}),
    _Way("top_logprobs", False, lambda _labels, _ids: {}),
)


class LabelQuestions:
    """Asks one engine's server for labels; `way` "auto" takes the best way that the server honours."""

    def __init__(
        self,
        *,
        ask: Ask,
        tokenize: Ask,
        way: Literal["auto", "token_ids", "constrained", "top_logprobs"],
        top_logprobs: int,
    ) -> None:
        self._ask = ask
        self._tokenize = tokenize
        self._wanted = way
        self._top = top_logprobs
        self._ids: dict[tuple[bool, str, Labels], Ids | None] = {}
        self._ways: dict[tuple[bool, bool], _Way] = {}
        self._finding = asyncio.Lock()

    async def choose(self, prompt: Prompt, labels: Labels) -> Choice:
        """The labels' log-probabilities; `CallError` where this answer has none that can be believed.

        `EngineUnavailable`: a label is not a single token here, or the server gives no log-probabilities.
        """
        require_labels(labels)
        ids = await self._known_ids(prompt, labels)
        way = await self._known_way(prompt, labels, ids=ids)
        reply = await self._ask(prompt, self._body(way, labels, ids=ids, is_chat=prompt.text is None))
        return _choice(read_candidates(reply, is_chat=prompt.text is None), labels, way=way, ids=ids)

    def forget_loop(self) -> None:
        """Make ready for another event loop; what was found out stays."""
        self._finding = asyncio.Lock()

    async def _known_ids(self, prompt: Prompt, labels: Labels) -> Ids | None:
        key = (prompt.text is None, _ending(prompt), labels)
        if key not in self._ids:
            async with self._finding:
                if key not in self._ids:
                    self._ids[key] = await self._find_ids(prompt, labels)
        return self._ids[key]

    async def _find_ids(self, prompt: Prompt, labels: Labels) -> Ids | None:
        """Each label's token after this prompt, None where the server does not tell how it tokenises."""
        tail = _ending(prompt)
        texts = {tail: prompt, **{tail + label: joined(prompt, label) for label in labels}}
        try:
            replies = await asyncio.gather(*(self._tokenize(asked, {}) for asked in texts.values()))
            tokens = dict(zip(texts, map(read_token_ids, replies), strict=True))
        except (Rejected, CallError) as error:
            _log.info("labels are not checked to be single tokens, the server has no tokenizer: %s", error)
            return None
        try:
            return label_token_ids(tokens.__getitem__, tail, labels)
        except EngineUnavailable:
            if tail:
                raise
            # Without a prefill the label opens the answer, which many chat templates surround with more.
            return None

    async def _known_way(self, prompt: Prompt, labels: Labels, *, ids: Ids | None) -> _Way:
        key = (prompt.text is None, ids is not None)
        if key not in self._ways:
            async with self._finding:
                if key not in self._ways:
                    self._ways[key] = await self._find_way(labels, is_chat=key[0], ids=ids)
        return self._ways[key]

    async def _find_way(self, labels: Labels, *, is_chat: bool, ids: Ids | None) -> _Way:
        said: CallError | Rejected | None = None
        for way in _WAYS:
            if self._wanted in ("auto", way.name) and (ids is not None or not way.by_ids):
                said = await self._misses(way, labels, is_chat=is_chat, ids=ids)
                if said is None:
                    return way
        raise EngineUnavailable(
            "the server returns no log-probabilities"
            + (f" by `label_way: {self._wanted}`" if self._wanted != "auto" else "")
            + ", which choosing between labels needs. Use a server that does (vLLM, SGLang, llama.cpp) "
            f"or the transformers engine. {f'It said: {said}' if said else ''}".rstrip()
        )

    async def _misses(
        self, way: _Way, labels: Labels, *, is_chat: bool, ids: Ids | None
    ) -> CallError | Rejected | None:
        """None where a small question asked in this way is answered in this way; else what was missing."""
        body = self._body(way, labels, ids=ids, is_chat=is_chat)
        said: CallError | Rejected | None = None
        for _ in range(_PROBES):
            try:
                reply = await self._ask(_probe(labels, is_chat=is_chat), body)
                found = read_candidates(reply, is_chat=is_chat)
                if way.name == "top_logprobs" or _honoured(found, labels, way=way, ids=ids):
                    return None
                return CallError("no_label", f"`{way.name}` had no effect")
            except Rejected as error:
                if error.status in {401, 403}:
                    raise
                return error
            except CallError as error:
                said = error
                if error.reason == "bad_request":
                    break
        return said

    def _body(self, way: _Way, labels: Labels, *, ids: Ids | None, is_chat: bool) -> dict[str, object]:
        # The labels' own tokens and the sampled one; elsewhere as many as the server gives.
        count = len(labels) + 1 if way.name == "token_ids" else self._top
        wanted = {"logprobs": True, "top_logprobs": count} if is_chat else {"logprobs": count}
        named = {"return_tokens_as_token_ids": True} if way.by_ids else {}
        return {**ONE_TOKEN, **wanted, **named, **way.fields(labels, ids or {})}


def _probe(labels: Labels, *, is_chat: bool) -> Prompt:
    words = f"Answer with one of: {', '.join(label.strip() for label in labels)}."
    if is_chat:
        return Prompt("probe", "", messages=(Message("user", words),))
    return Prompt("probe", "", text=f"{words}\nAnswer: (")


def _ending(prompt: Prompt) -> str:
    """The text that a label follows; empty where a chat template stands in between."""
    if prompt.text is not None:
        return prompt.text[-_ENDING:]
    last = prompt.messages[-1] if prompt.messages else None
    return last.content[-_ENDING:] if last and last.role == "assistant" else ""


def _read(candidates: Candidates, label: str, *, way: _Way, ids: Ids | None) -> float | None:
    if way.by_ids and ids is not None:
        return candidates.logprob_of_token(ids[label])
    return candidates.logprob_of(label)


def _honoured(candidates: Candidates, labels: Labels, *, way: _Way, ids: Ids | None) -> bool:
    """Whether every label came back, and for a constrained model nothing but labels.

    Some servers constrain the token and report what the model meant before that: then the likeliest tokens
    are asked for, whose mass is known.
    """
    found = [_read(candidates, label, way=way, ids=ids) for label in labels]
    if any(value is None for value in found):
        return False
    return way.name == "token_ids" or _others(candidates, labels, way=way, ids=ids) == 0


def _others(candidates: Candidates, labels: Labels, *, way: _Way, ids: Ids | None) -> int:
    names = {f"token_id:{value}" for value in (ids or {}).values()} if way.by_ids else set()
    stripped = names or {label.strip() for label in labels}
    return sum(text.strip() not in stripped for text, _ in candidates.tokens)


def _choice(candidates: Candidates, labels: Labels, *, way: _Way, ids: Ids | None) -> Choice:
    name: LabelWay = way.name
    found = {label: _read(candidates, label, way=way, ids=ids) for label in labels}
    known = {label: value for label, value in found.items() if value is not None}
    missing = [label for label in labels if label not in known]
    if missing and name != "top_logprobs":
        raise CallError("no_logprobs", f"the server left out label {missing[0]!r}, which was asked for")
    names = {f"token_id:{value}" for value in (ids or {}).values()} | {label.strip() for label in labels}
    return choice_from_logprobs(
        known,
        argmax_is_label=candidates.likeliest.strip() in names,
        bounds=dict.fromkeys(missing, candidates.smallest),
        prompt_tokens=candidates.prompt_tokens,
        cached_tokens=candidates.cached_tokens,
        way=name,
    )
