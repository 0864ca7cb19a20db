"""A `transformers` model in this process, behind the `Engine` protocol.

Requests come from many tasks, one at a time. They are sorted by their beginnings and lengths, and go through
the model as batches of one kind (`engine.batches`, `engine.decode`).
"""

import asyncio
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, cast

import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase

from engine import attention, decode
from engine.batches import Batches
from engine.labels import choice_from_logprobs, label_token_ids
from engine.local_model import fingerprint, locate, not_loaded, pick_device, pick_dtype
from engine.prefix import families
from engine.protocol import (
    CallError,
    Choice,
    Completion,
    EngineUnavailable,
    Fingerprint,
    Sampling,
    Score,
    WithoutRewards,
)
from engine.settings import ModelSettings
from engine.tokens import encode_prompt, render
from prompts.message import Prompt

STOP_WINDOW = 24
"""Tokens at an answer's end in which a stop string is looked for."""


@dataclass(slots=True, eq=False)
class Request:
    """One waiting call. `room` is what it may take in a batch, in tokens."""

    kind: Literal["chat", "choose", "score"]
    ids: list[int]
    room: int
    work: Any
    answer: asyncio.Future[Any]


@dataclass(frozen=True, slots=True)
class Told:
    """What one choice read: its labels' log-probabilities, the likeliest token, and what was not computed."""

    logprobs: list[float]
    likeliest: int
    cached: int


class TransformersEngine(WithoutRewards):
    """Answers with a causal language model loaded here.

    A sampled answer depends on its prompt and its seed; other rows of the batch can change it only through
    floating-point rounding.

    Raises:
        EngineUnavailable: the model or adapter is not there, or has no chat template where one is needed.
    """

    def __init__(self, settings: ModelSettings | None = None) -> None:
        self.settings = settings or ModelSettings()
        self.device = pick_device(self.settings.device)
        self.model, self.tokenizer = load_model(self.settings, self.device)
        self._fingerprint = fingerprint(
            self.settings,
            tokenizer=self.tokenizer,
            dtype=self.model.dtype,
            commit=getattr(self.model.config, "_commit_hash", None) or "",
        )
        self.end_ids = _end_ids(self.model, self.tokenizer)
        self.context_length = int(getattr(self.model.config, "max_position_embeddings", 1 << 20))
        self._batches: Batches[Request] = Batches(
            self._run,
            order=_in_order,
            size=self.settings.max_batch_size,
            tokens=self.settings.max_batch_tokens,
        )

    @property
    def fingerprint(self) -> Fingerprint:
        return self._fingerprint

    async def chat(self, prompt: Prompt, sampling: Sampling, *, priority: int = 0) -> Completion:  # noqa: ARG002
        ids = encode_prompt(self.tokenizer, prompt)
        stop = (*sampling.stop, *prompt.stop)
        row = decode.Row(ids, sampling, ends_with_stop=self._stops(stop) if stop else None)
        await self._ask("chat", ids, room=sampling.max_tokens, work=row)
        text = _cut(cast("str", self.tokenizer.decode(row.ids, skip_special_tokens=True)), stop)
        finish = "stop" if row.ended else "length"
        return Completion(text, finish, len(ids), len(row.ids), cached_tokens=row.cached)

    async def choose(self, prompt: Prompt, labels: tuple[str, ...], *, priority: int = 0) -> Choice:  # noqa: ARG002
        asked = render(self.tokenizer, prompt)
        tokens = label_token_ids(self._encode_text, asked.text[-200:], labels)
        told: Told = await self._ask("choose", asked.ids, room=0, work=list(tokens.values()))
        return choice_from_logprobs(
            dict(zip(tokens, told.logprobs, strict=True)),
            argmax_is_label=told.likeliest in tokens.values(),
            prompt_tokens=len(asked.ids),
            cached_tokens=told.cached,
        )

    async def score(self, prompt: Prompt, completion: str, *, priority: int = 0) -> Score:  # noqa: ARG002
        ids = encode_prompt(self.tokenizer, prompt)
        # Somebody's text: a special token in it is only text. Labels need them: their tail is a whole prompt.
        completion_ids = self.tokenizer(
            completion, add_special_tokens=False, split_special_tokens=True
        ).input_ids
        if not completion_ids:
            return Score(0.0, 0)
        told: decode.Scored = await self._ask(
            "score", ids, room=len(completion_ids), work=(ids, completion_ids)
        )
        return Score(math.fsum(told.logprobs), len(told.logprobs), len(ids), cached_tokens=told.cached)

    async def close(self) -> None:
        self._batches.close()

    def _encode_text(self, text: str) -> list[int]:
        return self.tokenizer(text, add_special_tokens=False).input_ids

    def _stops(self, stop: Sequence[str]) -> Callable[[list[int]], bool]:
        def ended(ids: list[int]) -> bool:
            tail = self.tokenizer.decode(ids[-STOP_WINDOW:])
            return any(mark in tail for mark in stop)

        return ended

    async def _ask(
        self, kind: Literal["chat", "choose", "score"], ids: list[int], *, room: int, work: Any
    ) -> Any:
        if len(ids) + room > self.context_length:
            raise CallError(
                "too_long",
                f"{len(ids)} prompt tokens and {room} more do not fit the model's {self.context_length}",
            )
        request = Request(kind, ids, len(ids) + room, work, asyncio.get_running_loop().create_future())
        return await self._batches.ask(request)

    def _run(self, batch: Sequence[Request]) -> list[Any]:
        if batch[0].kind == "chat":
            decode.generate(self.model, [request.work for request in batch], end_ids=self.end_ids)
            return [None] * len(batch)
        if batch[0].kind == "choose":
            told = decode.next_token_logprobs(self.model, [request.ids for request in batch])
            likeliest = told.logprobs.argmax(dim=-1).tolist()
            return [
                Told(told.logprobs[i, request.work].tolist(), likeliest[i], told.cached[i])
                for i, request in enumerate(batch)
            ]
        return decode.completion_logprobs(self.model, [request.work for request in batch])


def _in_order(waiting: Sequence[Request]) -> list[Request]:
    """Those of the first one's kind in families, the nearest to it in length first.

    A batch of one length needs little padding, and what a family shares is computed once in a batch.
    """
    first = waiting[0]
    alike = [request for request in waiting if request.kind == first.kind]
    found = [[alike[i] for i in family] for family in families([request.ids for request in alike])]
    found.sort(key=lambda family: (first not in family, abs(len(family[0].ids) - len(first.ids))))
    # The first one itself must come into the batch, however many its relatives are.
    return [first, *(request for family in found for request in family if request is not first)]


def load_model(
    settings: ModelSettings, device: torch.device
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """Model ready for inference, with its adapter merged, and its tokenizer."""
    source = locate(settings.model)
    trust = settings.trust_remote_code
    options: dict[str, object] = {"attn_implementation": attention.register()} if device.type == "cpu" else {}
    dtype = pick_dtype(settings.dtype, device)
    try:
        tokenizer = AutoTokenizer.from_pretrained(settings.adapter or source, trust_remote_code=trust)
        # Adapters are merged in float32: a bfloat16 sum would round small updates away.
        first = torch.float32 if settings.adapter else dtype
        model = AutoModelForCausalLM.from_pretrained(source, dtype=first, trust_remote_code=trust, **options)
        if settings.adapter:
            model = PeftModel.from_pretrained(model, str(settings.adapter)).merge_and_unload()
    except (OSError, ValueError) as error:
        raise EngineUnavailable(not_loaded(settings, error)) from error
    # Weights alone: in bfloat16 the rotary frequencies, which are buffers, would be off by up to 0.4 %.
    for weight in model.parameters():
        weight.data = weight.data.to(dtype)
    return model.to(device).eval(), tokenizer  # type: ignore[call-arg]


def _cut(text: str, stop: Sequence[str]) -> str:
    for mark in stop:
        text = text.split(mark, 1)[0]
    return text


def _end_ids(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> frozenset[int]:
    configured = model.generation_config.eos_token_id if model.generation_config else None
    ids = configured if isinstance(configured, list) else [configured]
    return frozenset(i for i in [*ids, tokenizer.eos_token_id] if isinstance(i, int))
