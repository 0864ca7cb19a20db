"""What an engine is: something that answers, chooses between labels, scores text, or rates it.

An engine knows nothing of constitutions, rows or journals. It is asked one prompt at a time, from many
tasks at once; gathering those into batches, or spreading them over connections, is its own business.
"""

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Literal, Protocol

from prompts.message import Prompt


class EngineError(Exception):
    """Base of what an engine raises.

    EngineError
     ├── CallError          this one call failed for good; its row is kept with the reason
     └── EngineUnavailable  no call can succeed (model not found, wrong key, server gone); the run stops
    """


class CallError(EngineError):
    """One call failed for good. `reason` is a short code for counting, the message is for people."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class EngineUnavailable(EngineError):
    """No call to this engine can succeed; the message says what to do next."""


@dataclass(frozen=True, slots=True)
class Sampling:
    """How to sample one answer. Temperature 0 is greedy. `max_tokens` counts new tokens only.

    `seed` makes the answer a function of the prompt and the seed, whatever else is in the batch
    (up to floating-point rounding); engines that cannot promise it pass it on and say so.
    """

    max_tokens: int = 256
    temperature: float = 1.0
    top_p: float = 1.0
    seed: int | None = None
    stop: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Completion:
    """An answer.

    `cached_tokens` are those of the prompt's tokens that were not computed for it, because an earlier prompt
    or one beside it begins alike; 0 also where an engine does not say. They tell how an answer was come by
    and not what it is: answers that differ in them alone are equal.
    """

    text: str
    finish_reason: Literal["stop", "length"]
    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int = field(default=0, compare=False)


LabelWay = Literal["vocabulary", "token_ids", "constrained", "top_logprobs"]
"""How a choice was read: from the whole vocabulary, in process; from a server that gave exactly the labels'
tokens; from one that was held to the labels; from one that gave its likeliest tokens."""


@dataclass(frozen=True, slots=True)
class Choice:
    """Natural-log probabilities of the offered labels as the next token, over the full vocabulary.

    `mass` is the probability that the labels hold together: a small mass says that the model did not
    mean to answer with a label at all. `argmax_is_label` says whether the likeliest token was one.
    `way` says how this was read. A model that was `constrained` to the labels could not say anything else:
    its log-probabilities are relative to the labels, `mass` is None, and `argmax_is_label` says nothing.
    `bounded` says that at least one label's value is only an upper bound: the server returned its likeliest
    tokens and that label was not among them; `mass` then counts the returned labels alone.
    `cached_tokens` are as a `Completion` has them.
    """

    logprobs: Mapping[str, float]
    mass: float | None
    argmax_is_label: bool
    prompt_tokens: int = 0
    bounded: bool = False
    way: LabelWay = "vocabulary"
    cached_tokens: int = field(default=0, compare=False)

    def normalized(self) -> dict[str, float]:
        """The labels' probabilities, made to sum to one."""
        top = max(self.logprobs.values())
        weights = {label: math.exp(value - top) for label, value in self.logprobs.items()}
        total = sum(weights.values())
        return {label: weight / total for label, weight in weights.items()}


@dataclass(frozen=True, slots=True)
class Score:
    """Log-probability (natural log, summed over its `tokens`) of a completion after a prompt."""

    logprob: float
    tokens: int
    prompt_tokens: int = 0
    cached_tokens: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Reward:
    """What a reward model gives a completion after a prompt, in its own unit and on no fixed scale.

    Of a model that was trained on comparisons, differences are log-odds in nats (Bradley and Terry 1952).
    `tokens` are those of the whole conversation.
    """

    value: float
    tokens: int = 0


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """What makes two engines give the same answers: part of every journal key and provenance column."""

    model: str
    revision: str = ""
    adapter: str = ""
    dtype: str = ""
    chat_template: str = ""

    @property
    def digest(self) -> str:
        text = json.dumps(asdict(self), sort_keys=True, ensure_ascii=False)
        return hashlib.sha256(text.encode()).hexdigest()[:16]


class Engine(Protocol):
    """Anything that answers. Implementations: `engine.hf`, `engine.vllm`, `engine.openai`, `engine.reward`,
    `engine.scripted`.

    A reward model can only `reward`, a language model everything else; each raises `EngineUnavailable` for
    what it cannot do, and `solon validate` tells before. `priority` orders the calls that wait inside an
    engine, smallest first, as the context does with those that wait outside; an engine that batches in
    another order may leave it aside. It changes no answer.
    """

    @property
    def fingerprint(self) -> Fingerprint: ...

    async def chat(self, prompt: Prompt, sampling: Sampling, *, priority: int = 0) -> Completion:
        """Answer the prompt; `CallError` if this one cannot be answered."""
        ...

    async def choose(self, prompt: Prompt, labels: tuple[str, ...], *, priority: int = 0) -> Choice:
        """Log-probabilities of each label as the text that comes next. Labels are single tokens there."""
        ...

    async def score(self, prompt: Prompt, completion: str, *, priority: int = 0) -> Score:
        """Log-probability of the completion after the prompt."""
        ...

    async def reward(
        self, prompt: Prompt, completion: str, *, finished: bool = True, priority: int = 0
    ) -> Reward:
        """The reward of the completion as the answer to the prompt; one that is not `finished` was cut off
        and gets no end token.
        """
        ...

    async def close(self) -> None: ...


class WithoutRewards:
    """What engines share whose model answers in words: they refuse to rate."""

    async def reward(
        self,
        prompt: Prompt,  # noqa: ARG002
        completion: str,  # noqa: ARG002
        *,
        finished: bool = True,  # noqa: ARG002
        priority: int = 0,  # noqa: ARG002
    ) -> Reward:
        raise EngineUnavailable(
            "this model answers in words and gives no rewards\n"
            "  next: name a reward model with `engine: reward`, or choose another `labeling.method`"
        )
