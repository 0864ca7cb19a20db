"""The part of a recipe that names one part of a reward: a model, the judges, a function, a verifier."""

from pathlib import Path
from typing import Literal

from pydantic import Field, field_validator, model_validator

from constitution.document import Section, unknown_name
from engine.model_folder import content_digest
from training.reward_functions import FUNCTIONS
from training.verifiers.registry import require_registered
from training.verifiers.settings import VerifierSettings

RUN = "run"
"""The name, among reward models, of the one that the run trains itself."""


class RewardPart(Section):
    """One part of a reward: a reward model, the recipe's judges, a function of text, or a verifier."""

    reward_model: str | None = Field(
        default=None, description="`run`: the one that this recipe trains; else the folder of another"
    )
    judge: Literal["pointwise"] | None = Field(
        default=None,
        description="pointwise: the judges of `labeling` score each answer alone under its principles, from "
        "-1 to 1, as `method: pointwise` does; the audit's gate holds for them",
    )
    function: str | None = Field(
        default=None, description="a function of `training.reward_functions`: no_repetition, brevity"
    )
    verifier: VerifierSettings | None = Field(
        default=None, description="a check against what the prompt's row has: 1 where it holds, else 0"
    )
    normalize: bool = Field(
        default=True,
        description="reward_model: put its rewards on the scale of its `reward.json`, to mean 0 and "
        "standard deviation 1",
    )
    weight: float = Field(default=1.0, allow_inf_nan=False, description="what the part is multiplied by")

    @model_validator(mode="after")
    def _is_one_thing(self) -> "RewardPart":
        parts = (self.reward_model, self.judge, self.function, self.verifier)
        if sum(part is not None for part in parts) != 1:
            raise ValueError(
                "give one of `reward_model`, `judge`, `function` and `verifier`, in an entry for each part"
            )
        return self

    @field_validator("function")
    @classmethod
    def _is_registered(cls, name: str | None) -> str | None:
        if name is not None and name not in FUNCTIONS:
            raise ValueError(unknown_name("function", name, FUNCTIONS))
        return name

    @field_validator("verifier")
    @classmethod
    def _checks_what_is_registered(cls, settings: VerifierSettings | None) -> VerifierSettings | None:
        return settings and require_registered(settings)

    @property
    def name(self) -> str:
        """What logs call it: `judge`, the function, the verifier, or the model's folder."""
        if self.judge is not None:
            return "judge"
        if self.verifier is not None:
            return self.verifier.name or self.verifier.check
        return self.function or Path(str(self.reward_model)).name

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of the prompts' rows that it reads."""
        reads = self.verifier.reads if self.verifier else None
        return () if reads is None else (reads,)

    @property
    def content(self) -> str:
        """What a reward model is, wherever it lies; the run's own is told by what it was made from."""
        return RUN if self.reward_model == RUN else content_digest(Path(str(self.reward_model)))

    @property
    def placeless(self) -> "RewardPart":
        """The same wherever the reward model lies."""
        return self if self.reward_model is None else self.model_copy(update={"reward_model": ""})
