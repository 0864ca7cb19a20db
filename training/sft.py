"""Supervised fine-tuning: rows with `messages` in, a trained adapter or model out.

The loss is the negative log-likelihood of the last assistant message alone, averaged over its tokens in the
whole optimizer step, so that accumulation and padding change nothing.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

from trl.trainer.sft_config import SFTConfig

from engine.settings import ModelSettings
from prompts.message import Conversation
from training.data import Row, read_sft
from training.load import check_settings, load_policy, load_tokenizer
from training.model import Progress, Trained
from training.seams import QuietSFTTrainer, quiet
from training.settings import SFTSettings
from training.stage import Job, explained, finish, trainer_arguments
from training.tokens import tokenize_examples
from training.workspace import inputs_digest, open_workspace

COLUMNS = ("messages", "cut_off")


def train_sft(
    rows: Sequence[Row],
    *,
    model: ModelSettings,
    settings: SFTSettings,
    out: Path,
    seed: int,
    card: Mapping[str, str],
    samples: Sequence[Conversation],
    progress: Progress | None = None,
) -> Trained:
    """Train on the rows and leave a whole folder at `out`; go on from a checkpoint where one is there.

    Raises:
        TrainingError: rows, model or settings do not allow it, or `out` is taken; before any weights load.
    """
    examples = read_sft(rows)
    job = Job("sft", model, settings, seed, card, samples)
    with quiet(), explained(settings):
        tokenizer = load_tokenizer(model)
        check_settings(model, settings)
        tokenized = tokenize_examples(
            examples,
            tokenizer,
            max_length=settings.max_length,
            max_completion_length=settings.max_completion_length,
        )
        digest = inputs_digest(
            rows, columns=("messages", "cut_off"), model=model, settings=settings, seed=seed
        )
        workspace = open_workspace(out, digest)
        policy = load_policy(model, settings)
        trainer = QuietSFTTrainer(
            model=policy.model,
            args=SFTConfig(
                **trainer_arguments(job, workspace, rows=len(tokenized.rows)),
                train_sampling_strategy="group_by_length" if settings.group_by_length else "random",
            ),
            train_dataset=tokenized.dataset(),
            processing_class=tokenizer,
            peft_config=policy.new_adapter,
        )
        return finish(trainer, tokenizer, job=job, workspace=workspace, rows=tokenized, progress=progress)
