"""What online methods are given to answer, and TRL's configuration as they have it.

In: prompts as token ids, and settings. Out: the prompts in the order in which they are answered, each as
often as it is answered at once, laid out for one pass of the trainer.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch
from transformers import PreTrainedTokenizerBase

from pipeline.context import derived_seed
from training import processes
from training.data import Question, Rows
from training.questions import tokenize_questions
from training.settings import OnlineSettings
from training.tokens import TokenizedRows

if TYPE_CHECKING:
    from datasets import Dataset


def tokenize_prompts(
    questions: Rows[Question], tokenizer: PreTrainedTokenizerBase, settings: OnlineSettings, _seed: int
) -> TokenizedRows:
    """Prompts as token ids, with the columns that verifiers read; raises as `tokenize_questions`."""
    return tokenize_questions(
        questions,
        tokenizer,
        max_length=settings.max_length,
        max_completion_length=settings.max_completion_length or settings.max_length,
        verifiers=[part.verifier for part in settings.reward_funcs if part.verifier is not None],
    )


def online_arguments(common: Mapping[str, Any], settings: OnlineSettings) -> dict[str, Any]:
    """The shared configuration as an online method has it: one pass over episodes that are laid out."""
    step = settings.steps_per_rollout(processes.count())
    chosen = {name: value for name, value in common.items() if name != "max_length"}
    return {
        **chosen,
        "num_train_epochs": 1,
        "per_device_train_batch_size": settings.answers_a_batch,
        # Between two rollouts nothing is half used, so that a run that goes on samples what it would have.
        "save_steps": -(-common["save_steps"] // step) * step,
        "max_completion_length": settings.max_completion_length,
        "temperature": settings.temperature,
    }


def episodes(rows: TokenizedRows, settings: OnlineSettings, seed: int) -> "Dataset":
    """The prompts in the order in which they are answered, drawn anew for each pass over them."""
    each = settings.answers_a_prompt
    wanted = settings.rollouts(len(rows)) * settings.generation_batch_size // each
    order: list[int] = []
    while len(order) < wanted:
        generator = torch.Generator().manual_seed(derived_seed(seed, "prompts", str(len(order))))
        order += torch.randperm(len(rows), generator=generator).tolist()
    return rows.dataset.select([place for place in order[:wanted] for _ in range(each)])
