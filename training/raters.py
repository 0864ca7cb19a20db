"""Who scores answers: reward models, the judges, functions of text, verifiers, as a recipe names them.

In: `RewardPart`s. Out: a `training.rewards.Reward` with every model loaded. A reward model brings the scale
that was stored beside it; one that is an adapter over the policy's base may lie beside the policy.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from peft import PeftModel
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from engine.local_model import pick_device
from engine.protocol import EngineUnavailable
from engine.reward_head import load_reward_model, rewards
from engine.settings import ModelSettings
from engine.tokens import encode_answered
from labeling.scoring import Response
from prompts.message import Message
from training import processes
from training.judge import OnlineJudge
from training.load import load_tokenizer, public_name
from training.model import TrainingError
from training.reward_functions import FUNCTIONS, RewardFunction
from training.reward_part import RewardPart
from training.rewards import Answer, Part, Reward
from training.scale import FILE, Scale, read_scale
from training.shared_base import Beside, beside_folder
from training.verifiers.attempt import Attempt
from training.verifiers.registry import VERIFIERS, reference_of
from training.verifiers.settings import VerifierSettings

BATCH = 16
"""Answers that a reward model reads in one forward pass."""


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
    """The recipe's judges as a `Rater`: d-RLAIF's score (Lee et al. 2023), -1 to 1.

    Of several processes only the first has them, and is asked.
    """

    judge: OnlineJudge | None

    def __call__(self, answers: Sequence[Answer]) -> Sequence[float | None]:
        return self.begin(answers)()

    def begin(self, answers: Sequence[Answer]) -> Callable[[], Sequence[float | None]]:
        if self.judge is None:
            raise AssertionError("the first process asks the judges")
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
        if not processes.shared(lambda: judge is not None):
            raise TrainingError("reward_funcs asks the judge, and none was given: pass `judge=`")
        return Part(part.name, ByJudge(judge), part.weight)
    if part.function is not None:
        return Part(part.name, ByFunction(FUNCTIONS[part.function]), part.weight)
    if part.verifier is not None:
        return Part(part.name, ByVerifier(part.verifier), part.weight)
    return Part(part.name, _by_model(part, policy, room), part.weight, spread=True)


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
