"""What answers are worth to an online method: prompts with their answers in, a score for each out.

A reward is a weighted sum of parts; a part is anything with a `Rater`'s face: a reward model with the scale
that was stored beside it, the recipe's judges (d-RLAIF), a function of text, a verifier. All parts are asked
about a whole rollout at once, and those that are asked elsewhere before all others.
"""

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean
from typing import Protocol, runtime_checkable

import torch
from peft import PeftModel
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from engine.local_model import pick_device
from engine.protocol import EngineError, EngineUnavailable
from engine.reward_head import load_reward_model, rewards
from engine.settings import ModelSettings
from engine.tokens import encode_answered
from labeling.scoring import Response
from pipeline.gate import StoppedError
from pipeline.journal import JournalError
from prompts.message import Conversation, Message
from training.judge import OnlineJudge
from training.load import load_tokenizer, public_name
from training.model import TrainingError
from training.reward_functions import FUNCTIONS, RewardFunction
from training.reward_part import RewardPart
from training.scale import FILE, Scale, read_scale
from training.shared_base import Beside, beside_folder
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
        return self.begin(answers)()

    def begin(self, answers: Sequence[Answer]) -> Callable[[], Scores]:
        """Ask whatever is asked elsewhere; what it gives waits for that, does the rest, and raises."""
        begun = {part.name: part.rate.begin(answers) for part in self.parts if isinstance(part.rate, Begins)}

        def scores() -> Scores:
            told = {part.name: _checked(part, answers, begun.get(part.name)) for part in self.parts}
            filled = {name: _filled(given, answers) for name, given in told.items()}
            weighted = [[part.weight * score for score in filled[part.name]] for part in self.parts]
            unrated = {
                name: given.count(None) for name, given in told.items() if name in begun or None in given
            }
            return Scores(tuple(map(math.fsum, zip(*weighted, strict=True))), filled, unrated)

        return scores


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

    model: PreTrainedModel | Beside
    tokenizer: PreTrainedTokenizerBase
    scale: Scale | None

    def __call__(self, answers: Sequence[Answer]) -> Sequence[float]:
        ids = [self._ids(answer) for answer in answers]
        order = sorted(range(len(ids)), key=lambda number: len(ids[number]))
        told = [0.0] * len(ids)
        for start in range(0, len(order), BATCH):
            places = order[start : start + BATCH]
            for place, reward in zip(places, self._rewards([ids[i] for i in places]), strict=True):
                told[place] = reward if self.scale is None else self.scale.normalized(reward)
        return told

    def _rewards(self, rows: Sequence[Sequence[int]]) -> list[float]:
        return self.model.rewards(rows) if isinstance(self.model, Beside) else rewards(self.model, rows)

    def _ids(self, answer: Answer) -> list[int]:
        answered = (*answer.prompt, Message("assistant", answer.text))
        return encode_answered(self.tokenizer, answered, finished=answer.finished)


@dataclass(frozen=True, slots=True)
class ByJudge:
    """The recipe's judges as a `Rater`: d-RLAIF's score (Lee et al. 2023), -1 to 1."""

    judge: OnlineJudge

    def __call__(self, answers: Sequence[Answer]) -> Sequence[float | None]:
        return self.begin(answers)()

    def begin(self, answers: Sequence[Answer]) -> Callable[[], Sequence[float | None]]:
        return self.judge.scores(
            [Response(str(number), answer.prompt, answer.text) for number, answer in enumerate(answers)]
        )


def open_reward(
    parts: Sequence[RewardPart],
    policy: ModelSettings,
    *,
    judge: OnlineJudge | None = None,
    base: PeftModel | None = None,
) -> Reward:
    """Every part, its model loaded: beside the policy on `base` where it is an adapter over the same one.

    Raises:
        TrainingError: a model or its scale is not there, or the judge is asked for and not given.
    """
    opened = (
        _open(part, policy, judge, _Room(base, f"rates{number}") if base is not None else None)
        for number, part in enumerate(parts)
    )
    return Reward(tuple(opened))


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


@dataclass(frozen=True, slots=True)
class _Room:
    """Where a reward model may lie beside the policy: its base, and the name of the adapter."""

    base: PeftModel
    adapter: str


def _open(part: RewardPart, policy: ModelSettings, judge: OnlineJudge | None, room: _Room | None) -> Part:
    if part.judge is not None:
        if judge is None:
            raise TrainingError("reward_funcs asks the judge, and none was given: pass `judge=`")
        return Part(part.name, ByJudge(judge), part.weight)
    if part.function is not None:
        return Part(part.name, ByFunction(FUNCTIONS[part.function]), part.weight)
    if part.verifier is not None:
        return Part(part.name, ByVerifier(part.verifier), part.weight)
    return Part(part.name, _by_model(part, policy, room), part.weight)


def _by_model(part: RewardPart, policy: ModelSettings, room: _Room | None) -> ByModel:
    scale, settings = scale_of(part), reward_model(part, policy)
    if room is not None and settings.adapter is not None and settings.model == policy.model:
        tokenizer = load_tokenizer(settings)
        return ByModel(beside_folder(room.base, room.adapter, settings.adapter), tokenizer, scale)
    try:
        model, tokenizer = load_reward_model(settings, pick_device(policy.device))
    except EngineUnavailable as error:
        raise TrainingError(str(error)) from error
    model.requires_grad_(requires_grad=False)
    return ByModel(model, tokenizer, scale)


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
