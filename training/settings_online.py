"""What the settings of all methods share that learn from answers of their own; the methods add theirs."""

import math
from pathlib import Path
from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from training.reward_part import RUN, RewardPart
from training.settings_trainer import TrainerSettings


class OnlineSettings(TrainerSettings):
    """What every method has that samples answers, has them scored and learns from the scores.

    Nothing here shapes what is sampled but the temperature, which is the policy's: with `top_p`,
    `min_new_tokens` and their like, answers would be another distribution's than the one that is trained.
    """

    STEP: ClassVar[str] = "batch_size x gradient_accumulation_steps"
    """What `answers_a_step` is the product of."""

    learning_rate: float = Field(default=2e-5, gt=0, description="AdamW's step size after warm-up")
    max_completion_length: int | None = Field(
        default=128, ge=1, description="new tokens of a sampled answer at the most"
    )
    temperature: float = Field(
        default=1.0, gt=0, description="of the policy that is sampled, trained and held to its reference"
    )
    reward_funcs: tuple[RewardPart, ...] = Field(
        default=(RewardPart(reward_model=RUN),), min_length=1, description="what is summed to the score"
    )
    missing_eos_penalty: float = Field(
        default=1.0, ge=0, description="taken from the score of an answer that the length limit ended"
    )
    helpful_share: float = Field(
        default=0.0,
        ge=0,
        lt=1,
        description="share of helpful prompts among those to answer; the red-team prompts are all there",
    )
    generation_batch_size: int = Field(
        default=32,
        ge=2,
        description="answers that are sampled, in all processes together, then learned from: a multiple of "
        "batch_size x gradient_accumulation_steps x processes",
    )
    max_kl: float | None = Field(
        default=50.0, gt=0, description="stop where answers are further from the reference, in nats an answer"
    )
    max_length_growth: float | None = Field(
        default=3.0, gt=1, description="stop where answers are so many times as long as at the start"
    )
    use_vllm: bool = Field(
        default=False, description="sample with vLLM, which needs a GPU and the package `vllm`"
    )
    vllm_mode: Literal["colocate", "server"] = Field(
        default="colocate",
        description="vLLM on the GPU that trains, or a `vllm serve` on GPUs of its own",
    )
    vllm_server_base_url: str = Field(
        default="http://127.0.0.1:8000", description="where that `vllm serve` listens"
    )
    vllm_gpu_memory_utilization: float = Field(
        default=0.3, gt=0, lt=1, description="colocate: share of the GPU's memory that vLLM takes"
    )
    vllm_enable_sleep_mode: bool = Field(
        default=False, description="colocate: vLLM gives its memory back while the policy learns"
    )
    vllm_importance_sampling_clip_max: float = Field(
        default=3.0,
        gt=0,
        description="the most that a token counts whose probability vLLM told lower than it is",
    )
    save_steps: int | None = Field(
        default=20,
        ge=1,
        description="steps between two checkpoints, rounded up to whole rollouts; null: none",
    )

    @model_validator(mode="after")
    def _rollouts_are_whole(self) -> "OnlineSettings":
        if self.generation_batch_size % self.answers_a_step:
            raise ValueError(
                f"generation_batch_size {self.generation_batch_size} is no multiple of {self.STEP} = "
                f"{self.answers_a_step}"
            )
        return self

    @model_validator(mode="after")
    def _prompts_have_room(self) -> "OnlineSettings":
        if self.max_completion_length is None or self.max_completion_length >= self.max_length:
            raise ValueError("max_completion_length must be a number below max_length: prompts need room")
        return self

    @model_validator(mode="after")
    def _parts_have_names(self) -> "OnlineSettings":
        names = [part.name for part in self.reward_funcs]
        if len(set(names)) < len(names):
            raise ValueError(f"two parts of reward_funcs have one name: {', '.join(names)}")
        return self

    @property
    def answers_a_prompt(self) -> int:
        """How often a prompt is answered in one pass over the prompts."""
        return 1

    @property
    def answers_a_batch(self) -> int:
        """Answers that the trainer counts in one forward pass."""
        return self.batch_size

    @property
    def answers_a_step(self) -> int:
        """Answers that the trainer counts in one optimizer step of one process."""
        return self.answers_a_batch * self.gradient_accumulation_steps

    @property
    def passes(self) -> int:
        """How often a rollout is learned from before a new one."""
        return 1

    @property
    def reward_models(self) -> tuple[RewardPart, ...]:
        return tuple(part for part in self.reward_funcs if part.reward_model is not None)

    @property
    def reference_columns(self) -> tuple[str, ...]:
        """The columns that verifiers read."""
        return tuple(dict.fromkeys(name for part in self.reward_funcs for name in part.columns))

    @property
    def asks_judge(self) -> bool:
        """Whether the recipe's judges are asked while it trains."""
        return any(part.judge is not None for part in self.reward_funcs)

    @property
    def uses_run(self) -> bool:
        """Whether the run's own reward model has a part in the score."""
        return any(part.reward_model == RUN for part in self.reward_funcs)

    def steps_a_pass(self, processes: int) -> int:
        """Optimizer steps in one pass over a rollout, which so many processes take together."""
        return self.generation_batch_size // (self.answers_a_step * processes)

    def steps_per_rollout(self, processes: int) -> int:
        """Optimizer steps between two rollouts."""
        return self.passes * self.steps_a_pass(processes)

    def rollouts(self, rows: int) -> int:
        """Rollouts that are needed to answer so many prompts; the last one goes over the start again."""
        return math.ceil(rows * self.epochs * self.answers_a_prompt / self.generation_batch_size)

    def optimizer_steps(self, rows: int, processes: int = 1) -> int:
        return self.rollouts(rows) * self.steps_per_rollout(processes)

    def decisive(self) -> dict[str, object]:
        contents = [part.content for part in self.reward_models]
        bare = self.model_copy(update={"reward_funcs": tuple(part.placeless for part in self.reward_funcs)})
        return {**super(OnlineSettings, bare).decisive(), "reward_models": contents}

    def with_run(self, folder: Path) -> Self:
        """The same, the run's own reward model spelled out."""
        parts = [
            part.model_copy(update={"reward_model": str(folder)}) if part.reward_model == RUN else part
            for part in self.reward_funcs
        ]
        return self.model_copy(update={"reward_funcs": tuple(parts)})


class GroupedSettings(OnlineSettings):
    """What methods share that answer a prompt several times and learn from how its answers compare."""

    num_generations: int = Field(
        default=8, ge=2, description="answers to a prompt, which are compared with each other"
    )
    num_iterations: int = Field(default=1, ge=1, description="passes over the answers before new ones")

    @property
    def answers_a_prompt(self) -> int:
        return self.num_generations

    @property
    def passes(self) -> int:
        return self.num_iterations
