"""What answers are worth to an online method: prompts with their answers in, a score for each out.

A reward is a weighted sum of parts; a part is anything with a `Rater`'s face: a reward model with the scale
that was stored beside it, a function of text, a verifier, or what a later method brings, such as an AI
judge. All parts are asked about a whole rollout at once.
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from engine.local_model import pick_device
from engine.protocol import EngineUnavailable
from engine.reward_head import load_reward_model, rewards
from engine.settings import ModelSettings
from engine.tokens import encode_answered
from prompts.message import Conversation, Message
from training.load import public_name
from training.model import TrainingError
from training.reward_functions import FUNCTIONS, RewardFunction
from training.reward_part import RewardPart
from training.scale import FILE, Scale, read_scale
from training.verifiers.attempt import Attempt
from training.verifiers.registry import VERIFIERS, reference_of
from training.verifiers.settings import VerifierSettings

BATCH = 16
"""Answers that a reward model reads in one forward pass."""


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
    """Gives a number to each answer, in their order."""

    def __call__(self, answers: Sequence[Answer]) -> Sequence[float]: ...


@dataclass(frozen=True, slots=True)
class Scores:
    """Of each answer: the weighted sum, and each part of it by name, before its weight."""

    total: tuple[float, ...]
    parts: Mapping[str, tuple[float, ...]]


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a reward, by the name that logs have it under."""

    name: str
    rate: Rater
    weight: float


@dataclass(frozen=True, slots=True)
class Reward:
    """The weighted sum of its parts."""

    parts: tuple[Part, ...]

    def __call__(self, answers: Sequence[Answer]) -> Scores:
        """Raises `TrainingError` where a part fails, or gives anything but one finite number an answer."""
        told = {part.name: _checked(part, answers) for part in self.parts}
        weighted = [[part.weight * score for score in told[part.name]] for part in self.parts]
        return Scores(tuple(map(math.fsum, zip(*weighted, strict=True))), told)


@dataclass(frozen=True, slots=True)
class ByFunction:
    """A function of prompts and completions as a `Rater`."""

    function: RewardFunction

    def __call__(self, answers: Sequence[Answer]) -> Sequence[float]:
        return self.function([answer.prompt for answer in answers], [answer.text for answer in answers])


@dataclass(frozen=True, slots=True)
class ByVerifier:
    """A verifier as a `Rater`; an answer to a prompt that it does not apply to gets 0."""

    settings: VerifierSettings

    def __call__(self, answers: Sequence[Answer]) -> Sequence[float]:
        references = [reference_of(answer.columns, self.settings) for answer in answers]
        asked = [number for number, reference in enumerate(references) if reference is not None]
        attempts = [Attempt(answers[number].text, references[number]) for number in asked]
        given = VERIFIERS[self.settings.check](attempts, self.settings)
        told = [0.0] * len(answers)
        for number, score in zip(asked, given, strict=True):
            told[number] = score
        return told


@dataclass(frozen=True, slots=True)
class ByModel:
    """A reward model as a `Rater`. It reads an answer as its engine does, closed where it is finished."""

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    scale: Scale | None

    def __call__(self, answers: Sequence[Answer]) -> Sequence[float]:
        ids = [self._ids(answer) for answer in answers]
        order = sorted(range(len(ids)), key=lambda number: len(ids[number]))
        told = [0.0] * len(ids)
        for start in range(0, len(order), BATCH):
            places = order[start : start + BATCH]
            for place, reward in zip(places, rewards(self.model, [ids[i] for i in places]), strict=True):
                told[place] = reward if self.scale is None else self.scale.normalized(reward)
        return told

    def _ids(self, answer: Answer) -> list[int]:
        answered = (*answer.prompt, Message("assistant", answer.text))
        return encode_answered(self.tokenizer, answered, finished=answer.finished)


def open_reward(parts: Sequence[RewardPart], policy: ModelSettings) -> Reward:
    """Every part, its model loaded.

    Raises:
        TrainingError: a model or its scale is not there.
    """
    return Reward(tuple(_open(part, policy) for part in parts))


def reward_model(part: RewardPart, policy: ModelSettings) -> ModelSettings:
    """How the part's model is loaded: a folder is a whole model, or an adapter over its base."""
    folder = Path(str(part.reward_model))
    adapter = folder / "adapter_config.json"
    if not adapter.is_file():
        return policy.model_copy(update={"model": str(folder), "adapter": None})
    base = str(json.loads(adapter.read_text(encoding="utf-8")).get("base_model_name_or_path") or "")
    # An adapter over the policy's own base names it as others would; it may lie elsewhere here.
    here = policy.model if base == public_name(policy.model) else base
    return policy.model_copy(update={"model": here, "adapter": folder})


def scale_of(part: RewardPart) -> Scale | None:
    """The scale beside the part's model, or None where rewards are taken as they are."""
    if not part.normalize:
        return None
    folder = Path(str(part.reward_model))
    try:
        return read_scale(folder)
    except (OSError, ValueError, TypeError) as error:
        raise TrainingError(
            f"{folder} has no {FILE} to put its rewards on a known scale\n"
            "train it with Solon, or set normalize: false to take its rewards as they are"
        ) from error


def _open(part: RewardPart, policy: ModelSettings) -> Part:
    if part.function is not None:
        return Part(part.name, ByFunction(FUNCTIONS[part.function]), part.weight)
    if part.verifier is not None:
        return Part(part.name, ByVerifier(part.verifier), part.weight)
    scale = scale_of(part)
    try:
        model, tokenizer = load_reward_model(reward_model(part, policy), pick_device(policy.device))
    except EngineUnavailable as error:
        raise TrainingError(str(error)) from error
    model.requires_grad_(requires_grad=False)
    return Part(part.name, ByModel(model, tokenizer, scale), part.weight)


def _checked(part: Part, answers: Sequence[Answer]) -> tuple[float, ...]:
    """What the part gives to the answers, each a finite number."""
    try:
        told = tuple(float(score) for score in part.rate(answers))
    except (torch.OutOfMemoryError, KeyboardInterrupt):
        raise
    except Exception as error:  # a user's function may raise anything
        raise TrainingError(f"the reward {part.name} failed: {type(error).__name__}: {error}") from error
    if len(told) != len(answers):
        raise TrainingError(
            f"the reward {part.name} gave {len(told)} numbers for {len(answers)} answers: one each is needed"
        )
    for score, answer in zip(told, answers, strict=True):
        if not math.isfinite(score):
            raise TrainingError(f"the reward {part.name} gave {score} to the answer {answer.text[:200]!r}")
    return told
