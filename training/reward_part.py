"""The part of a recipe that names one part of a reward: a reward model, or a function of text."""

from pathlib import Path

from pydantic import Field, field_validator, model_validator

from constitution.document import Section, nearest
from engine.model_folder import content_digest
from training.reward_functions import FUNCTIONS

RUN = "run"
"""The name, among reward models, of the one that the run trains itself."""


class RewardPart(Section):
    """One part of a reward: a reward model, or a function of text."""

    reward_model: str | None = Field(
        default=None, description="`run`: the one that this recipe trains; else the folder of another"
    )
    function: str | None = Field(
        default=None, description="a function of `training.reward_functions`: no_repetition, brevity"
    )
    normalize: bool = Field(
        default=True,
        description="reward_model: put its rewards on the scale of its `reward.json`, to mean 0 and "
        "standard deviation 1",
    )
    weight: float = Field(default=1.0, allow_inf_nan=False, description="what the part is multiplied by")

    @model_validator(mode="after")
    def _is_one_thing(self) -> "RewardPart":
        if (self.reward_model is None) == (self.function is None):
            raise ValueError("give either `reward_model` or `function`, in an entry for each part")
        return self

    @field_validator("function")
    @classmethod
    def _is_registered(cls, name: str | None) -> str | None:
        if name is not None and name not in FUNCTIONS:
            near = nearest(name, list(FUNCTIONS))
            raise ValueError(
                f"there is no function {name!r}; there are: {', '.join(sorted(FUNCTIONS))}"
                + (f" (did you mean '{near}'?)" if near else "")
            )
        return name

    @property
    def name(self) -> str:
        """What logs call it: the function, or the model's folder."""
        return self.function or Path(str(self.reward_model)).name

    @property
    def content(self) -> str:
        """What a reward model is, wherever it lies; the run's own is told by what it was made from."""
        return RUN if self.reward_model == RUN else content_digest(Path(str(self.reward_model)))

    @property
    def placeless(self) -> "RewardPart":
        """The same wherever the reward model lies."""
        return self if self.reward_model is None else self.model_copy(update={"reward_model": ""})
