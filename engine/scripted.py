"""An engine that says what it is told to: the public test double, for Solon's tests and for yours.

What comes in are prompts, as for any engine; what goes out are the scripted answers. It implements the whole
`Engine` protocol, so a stage under test is the real stage, and `calls` holds everything that it was asked.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from engine.labels import choice_from_logprobs, require_labels
from engine.protocol import (
    Choice,
    Completion,
    EngineUnavailable,
    Fingerprint,
    Reward,
    Sampling,
    Score,
    WithoutRewards,
)
from prompts.message import Prompt

Answer = Callable[[Prompt, Sampling], str | Completion | Exception]
Weigh = Callable[[Prompt, tuple[str, ...]], Mapping[str, float]]
Rate = Callable[[Prompt, str], float]


@dataclass(frozen=True, slots=True)
class Call:
    """One thing that a scripted engine was asked; fields that its kind does not have stay empty."""

    kind: Literal["chat", "choose", "score", "reward"]
    prompt: Prompt
    sampling: Sampling | None = None
    labels: tuple[str, ...] = ()
    completion: str = ""
    finished: bool = True


class ScriptedEngine(WithoutRewards):
    """Answers from a script; the same calls in the same order get the same answers.

    `answer`: a function of prompt and sampling, or texts handed out in the order of the calls (running out
    of them is `EngineUnavailable`), or one text for every call. A text is a whole answer, finish reason
    "stop", its tokens counted as words; return a `Completion` to script anything else. An exception that is
    returned is raised. Where many rows ask at once, script a function: the order of calls is the scheduler's.

    `choice`: the probability of each label (not its logarithm); what is missing to 1 is held by some other
    token. A value that is no probability raises `CallError`, as a real engine's broken answer would.
    Without it all labels are equally likely and nothing else is.

    `score`: the log-probability of a completion. Without it each word costs ln 2.

    `reward`: the reward of a completion. Without it this is no reward model, and says so.
    """

    def __init__(
        self,
        answer: Answer | Sequence[str] = "",
        *,
        choice: Weigh | None = None,
        score: Rate | None = None,
        reward: Rate | None = None,
        name: str = "scripted",
    ) -> None:
        self._answer = answer
        self._choice = choice or _equal
        self._score = score or _coin_flip_per_word
        self._reward = reward
        self._answered = 0
        self.name = name
        self.calls: list[Call] = []

    @property
    def fingerprint(self) -> Fingerprint:
        return Fingerprint(model=self.name)

    async def chat(self, prompt: Prompt, sampling: Sampling, *, priority: int = 0) -> Completion:  # noqa: ARG002
        self.calls.append(Call("chat", prompt, sampling=sampling))
        answer = self._next_answer(prompt, sampling)
        if isinstance(answer, Exception):
            raise answer
        if isinstance(answer, Completion):
            return answer
        return Completion(
            text=answer,
            finish_reason="stop",
            prompt_tokens=_words(_prompt_text(prompt)),
            completion_tokens=_words(answer),
        )

    async def choose(self, prompt: Prompt, labels: tuple[str, ...], *, priority: int = 0) -> Choice:  # noqa: ARG002
        self.calls.append(Call("choose", prompt, labels=labels))
        require_labels(labels)
        weights = self._choice(prompt, labels)
        if set(weights) != set(labels):
            raise ValueError(f"the script weighs {tuple(weights)!r}, expected exactly {labels!r}")
        elsewhere = 1.0 - math.fsum(weights.values())
        return choice_from_logprobs(
            {label: _log(weights[label]) for label in labels},
            argmax_is_label=max(weights.values()) >= elsewhere,
            prompt_tokens=_words(_prompt_text(prompt)),
        )

    async def score(self, prompt: Prompt, completion: str, *, priority: int = 0) -> Score:  # noqa: ARG002
        self.calls.append(Call("score", prompt, completion=completion))
        read = _words(_prompt_text(prompt))
        return Score(self._score(prompt, completion), tokens=_words(completion), prompt_tokens=read)

    async def reward(
        self, prompt: Prompt, completion: str, *, finished: bool = True, priority: int = 0
    ) -> Reward:
        self.calls.append(Call("reward", prompt, completion=completion, finished=finished))
        if self._reward is None:
            return await super().reward(prompt, completion, finished=finished, priority=priority)
        read = _words(_prompt_text(prompt)) + _words(completion)
        return Reward(self._reward(prompt, completion), tokens=read)

    async def close(self) -> None:
        """Nothing to release."""

    def _next_answer(self, prompt: Prompt, sampling: Sampling) -> str | Completion | Exception:
        if isinstance(self._answer, str):
            return self._answer
        if callable(self._answer):
            return self._answer(prompt, sampling)
        if self._answered == len(self._answer):
            return EngineUnavailable(
                f"{self.name}: the script has {self._answered} answers and one more was asked for, "
                f"by the template {prompt.template!r}"
            )
        self._answered += 1
        return self._answer[self._answered - 1]


def _equal(_prompt: Prompt, labels: tuple[str, ...]) -> dict[str, float]:
    return dict.fromkeys(labels, 1.0 / len(labels))


def _coin_flip_per_word(_prompt: Prompt, completion: str) -> float:
    return -math.log(2.0) * _words(completion)


def _prompt_text(prompt: Prompt) -> str:
    return prompt.text if prompt.text is not None else "\n".join(m.content for m in prompt.messages)


def _words(text: str) -> int:
    return len(text.split())


def _log(probability: float) -> float:
    return math.log(probability) if probability > 0.0 else -math.inf
