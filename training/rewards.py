"""What answers are worth to an online method: prompts with their answers in, a score for each out.

A reward is a weighted sum of parts; a part is anything with a `Rater`'s face, such as those of
`training.raters`. All parts are asked about a whole rollout at once, and those that ask elsewhere before all
others. Of several processes the first one asks, but for models that each of them has.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from statistics import fmean
from typing import Protocol, runtime_checkable

import torch

from engine.protocol import EngineError
from pipeline.gate import StoppedError
from pipeline.journal import JournalError
from prompts.message import Conversation
from training import processes
from training.model import TrainingError


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer to a prompt; `finished` is false where it has no end token.

    `columns` are those of the prompt's row that verifiers read.
    """

    prompt: Conversation
    text: str
    finished: bool
    columns: Mapping[str, object] = field(default_factory=dict)


class Rater(Protocol):
    """Gives a number to each answer, in their order; None to one that it cannot rate."""

    def __call__(self, answers: Sequence[Answer]) -> Sequence[float | None]: ...


@runtime_checkable
class Begins(Protocol):
    """A `Rater` that asks elsewhere: it begins to, and gives what waits for the numbers."""

    def begin(self, answers: Sequence[Answer]) -> Callable[[], Sequence[float | None]]: ...


@dataclass(frozen=True, slots=True)
class Scores:
    """Of each answer: the weighted sum, and each part of it by name, before its weight.

    `unrated` counts, by part, the answers that it could not rate. They have the mean of the other answers to
    their prompt, or of the rollout where there is none: what tells nothing weighs nothing.
    """

    total: tuple[float, ...]
    parts: Mapping[str, tuple[float, ...]]
    unrated: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a reward, by the name that logs have it under.

    `spread`: every process has it, and rates a share of the answers.
    """

    name: str
    rate: Rater
    weight: float
    spread: bool = False


@dataclass(frozen=True, slots=True)
class Reward:
    """The weighted sum of its parts."""

    parts: tuple[Part, ...]

    def __call__(self, answers: Sequence[Answer]) -> Scores:
        """Raises `TrainingError` where a part fails, or gives anything but one finite number an answer."""
        return self.begin(answers)()

    def begin(self, answers: Sequence[Answer]) -> Callable[[], Scores]:
        """Ask whatever is asked elsewhere; what it gives waits for that, does the rest, and raises.

        In all processes alike; the first one's parts are asked.
        """
        asked = {part.name: part.rate for part in self.parts if isinstance(part.rate, Begins)}
        begun = {name: rate.begin(answers) for name, rate in asked.items() if processes.is_first()}

        def scores() -> Scores:
            told = {part.name: _told(part, answers, begun.get(part.name)) for part in self.parts}
            filled = {name: _filled(given, answers) for name, given in told.items()}
            weighted = [[part.weight * score for score in filled[part.name]] for part in self.parts]
            unrated = {
                name: given.count(None) for name, given in told.items() if name in asked or None in given
            }
            return Scores(tuple(map(math.fsum, zip(*weighted, strict=True))), filled, unrated)

        return scores


def _filled(given: Sequence[float | None], answers: Sequence[Answer]) -> tuple[float, ...]:
    """Where there is no number, the mean of those of the same prompt, or else of all."""
    known = [score for score in given if score is not None]
    if len(known) == len(given):
        return tuple(known)
    by_prompt: dict[Conversation, list[float]] = {}
    for score, answer in zip(given, answers, strict=True):
        if score is not None:
            by_prompt.setdefault(answer.prompt, []).append(score)
    return tuple(
        fmean(by_prompt.get(answer.prompt, known)) if score is None else score
        for score, answer in zip(given, answers, strict=True)
    )


def _told(
    part: Part, answers: Sequence[Answer], wait: Callable[[], Sequence[float | None]] | None
) -> tuple[float | None, ...]:
    """What the part gives, in every process."""
    if part.spread:
        shares = processes.spread(answers, lambda some: _checked(part, some, None))
        return tuple(chain.from_iterable(shares))
    return processes.shared(lambda: _checked(part, answers, wait))


def _checked(
    part: Part, answers: Sequence[Answer], wait: Callable[[], Sequence[float | None]] | None
) -> tuple[float | None, ...]:
    """What the part gives to the answers, each a finite number or, of some, None."""
    try:
        given = wait() if wait else part.rate(answers)
        told = tuple(None if score is None else float(score) for score in given)
    except (torch.OutOfMemoryError, StoppedError, EngineError, JournalError, TrainingError):
        raise
    except Exception as error:  # a user's function may raise anything
        raise TrainingError(f"the reward {part.name} failed: {type(error).__name__}: {error}") from error
    if len(told) != len(answers):
        raise TrainingError(
            f"the reward {part.name} gave {len(told)} numbers for {len(answers)} answers: one each is needed"
        )
    if told and all(score is None for score in told):
        raise TrainingError(f"the reward {part.name} could not rate any of {len(answers)} answers")
    for score, answer in zip(told, answers, strict=True):
        if score is not None and not math.isfinite(score):
            raise TrainingError(f"the reward {part.name} gave {score} to the answer {answer.text[:200]!r}")
    return told
