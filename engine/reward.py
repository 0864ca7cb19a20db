"""A reward model in this process, behind the `Engine` protocol: it rates, and says nothing.

Conversations with an answer come in, from many tasks, and go out as numbers. They are rendered as training
renders them, the template's closing included, so that the number is read off the last token of a whole
answer; one that was cut off gets no closing. Rows of about one length make a batch (`engine.batches`).
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

from engine.batches import Batches
from engine.local_model import fingerprint, pick_device
from engine.protocol import (
    CallError,
    Choice,
    Completion,
    EngineUnavailable,
    Fingerprint,
    Reward,
    Sampling,
    Score,
)
from engine.reward_head import load_reward_model, rewards
from engine.settings import ModelSettings
from engine.tokens import encode_answered
from prompts.message import Message, Prompt


@dataclass(slots=True, eq=False)
class Request:
    """One waiting answer as token ids, prompt and all."""

    ids: list[int]
    answer: asyncio.Future[Any]

    @property
    def room(self) -> int:
        return len(self.ids)


class RewardEngine:
    """Rates with a sequence-classification model of one output that is loaded here.

    Raises:
        EngineUnavailable: the model or adapter is not there, or is no reward model.
    """

    def __init__(self, settings: ModelSettings) -> None:
        self.settings = settings
        device = pick_device(settings.device)
        self.model, self.tokenizer = load_reward_model(settings, device)
        self._fingerprint = fingerprint(
            settings,
            tokenizer=self.tokenizer,
            dtype=self.model.dtype,
            commit=getattr(self.model.config, "_commit_hash", None) or "",
        )
        text_config = self.model.config.get_text_config()
        self.context_length = int(getattr(text_config, "max_position_embeddings", 1 << 20))
        self._batches: Batches[Request] = Batches(
            self._run,
            order=_by_length,
            # Without a padding token nothing tells a short row's end in a batch.
            size=settings.max_batch_size if text_config.pad_token_id is not None else 1,
            tokens=settings.max_batch_tokens,
        )

    @property
    def fingerprint(self) -> Fingerprint:
        return self._fingerprint

    async def reward(
        self,
        prompt: Prompt,
        completion: str,
        *,
        finished: bool = True,
        priority: int = 0,  # noqa: ARG002
    ) -> Reward:
        if prompt.text is not None:
            raise EngineUnavailable("a reward model rates answers to conversations, not to a transcript")
        answered = (*prompt.messages, Message("assistant", completion))
        ids = encode_answered(self.tokenizer, answered, finished=finished)
        if len(ids) > self.context_length:
            raise CallError("too_long", f"{len(ids)} tokens do not fit the model's {self.context_length}")
        request = Request(ids, asyncio.get_running_loop().create_future())
        return Reward(await self._batches.ask(request), tokens=len(ids))

    async def chat(self, prompt: Prompt, sampling: Sampling, *, priority: int = 0) -> Completion:  # noqa: ARG002
        self._refuse("answer")

    async def choose(self, prompt: Prompt, labels: tuple[str, ...], *, priority: int = 0) -> Choice:  # noqa: ARG002
        self._refuse("choose between labels")

    async def score(self, prompt: Prompt, completion: str, *, priority: int = 0) -> Score:  # noqa: ARG002
        self._refuse("tell how likely a text is")

    async def close(self) -> None:
        self._batches.close()

    def _run(self, batch: Sequence[Request]) -> list[float]:
        return rewards(self.model, [request.ids for request in batch])

    def _refuse(self, what: str) -> NoReturn:
        raise EngineUnavailable(
            f"{self.settings.model} is a reward model, which cannot {what}: it only rates\n"
            "  next: `labeling.method: reward` asks it; name another model for everything else"
        )


def _by_length(waiting: Sequence[Request]) -> list[Request]:
    """The first one, then those nearest to it in length: little padding."""
    return sorted(waiting, key=lambda request: abs(request.room - waiting[0].room))
