"""The trainer that every online method has: what was prepared and a learner in, a `SamplingTrainer` out.

A method says what it learns from a rollout; how prompts are laid out, who samples, and which model the policy
is held to are the same for all.
"""

from typing import TypeVar

from training.episodes import episodes, online_arguments
from training.learner import Learner
from training.load import load_reference
from training.method import Prepared
from training.sampling import sampler_arguments
from training.seams_online import SamplingTrainer, sampling_arguments
from training.settings import OnlineSettings

Settings = TypeVar("Settings", bound=OnlineSettings)


def online_trainer(prepared: Prepared[Settings], learner: Learner | None) -> SamplingTrainer:
    """A trainer of the prepared policy; the learner may come later, by `SamplingTrainer.teach`."""
    settings, seed = prepared.settings, prepared.arguments["seed"]
    return SamplingTrainer(
        learner=learner,
        beside=None,
        reference=None if settings.use_peft else load_reference(prepared.model, settings),
        model=prepared.policy.model,
        args=sampling_arguments(
            online_arguments(prepared.arguments, settings) | sampler_arguments(settings),
            answers=settings.generation_batch_size,
            passes=settings.passes,
            frozen_copy=settings.use_peft,
        ),
        train_dataset=episodes(prepared.tokens, settings, seed),
        processing_class=prepared.tokenizer,
        peft_config=prepared.policy.new_adapter,
    )
