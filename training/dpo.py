"""Direct preference optimisation: `prompt`, `chosen`, `rejected` in, a trained adapter or model out.

With r(y) = log pi(y|x) - log pi_ref(y|x), the default loss is -log sigmoid(beta (r(chosen) - r(rejected)))
(Rafailov et al. 2023, equation 7). The reference is the policy as this stage finds it: base and adapter of
the SFT stage. A new adapter's reference is the base with the adapter off, an existing one's a frozen copy of
it, and full fine-tuning's a second model, or none where the reference is asked before training.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from trl.trainer.dpo_config import DPOConfig

from engine.settings import ModelSettings
from prompts.message import Conversation
from training.data import Row, read_preferences
from training.load import check_settings, load_policy, load_reference, load_tokenizer
from training.model import Progress, Trained, TrainingProgress
from training.seams import TokenizedDPOTrainer, quiet
from training.settings import DPOSettings
from training.stage import Job, explained, finish, trainer_arguments
from training.tokens import tokenize_pairs
from training.workspace import inputs_digest, open_workspace

COLUMNS = ("prompt", "chosen", "rejected")


def train_dpo(
    rows: Sequence[Row],
    *,
    model: ModelSettings,
    settings: DPOSettings,
    out: Path,
    seed: int,
    card: Mapping[str, str],
    samples: Sequence[Conversation],
    progress: Progress | None = None,
) -> Trained:
    """Train on the pairs and leave a whole folder at `out`; go on from a checkpoint where one is there.

    `model.adapter` is the SFT stage's adapter, if it made one: it is trained further, and what is saved is
    one adapter over the same base.

    Raises:
        TrainingError: rows, model or settings do not allow it, or `out` is taken; before any weights load.
    """
    pairs = read_preferences(rows)
    job = Job("dpo", model, settings, seed, card, samples)
    with quiet(), explained(settings):
        tokenizer = load_tokenizer(model)
        check_settings(model, settings)
        tokenized = tokenize_pairs(pairs, tokenizer, max_length=settings.max_length)
        digest = inputs_digest(rows, columns=COLUMNS, model=model, settings=settings, seed=seed)
        workspace = open_workspace(out, digest)
        policy = load_policy(model, settings)
        needs_second_model = not (settings.use_peft or settings.precompute_ref_log_probs)
        trainer = TokenizedDPOTrainer(
            on_reference=_counter(progress, _batches(len(tokenized.rows), settings)),
            model=policy.model,
            ref_model=load_reference(model, settings) if needs_second_model else None,
            args=DPOConfig(
                **trainer_arguments(job, workspace, rows=len(tokenized.rows)),
                beta=settings.beta,
                loss_type=list(settings.losses),
                label_smoothing=settings.label_smoothing,
                precompute_ref_log_probs=settings.precompute_ref_log_probs,
            ),
            train_dataset=tokenized.dataset(),
            processing_class=tokenizer,
            peft_config=policy.new_adapter,
        )
        return finish(trainer, tokenizer, job=job, workspace=workspace, rows=tokenized, progress=progress)


def _batches(rows: int, settings: DPOSettings) -> int:
    return -(-rows // settings.batch_size)


def _counter(progress: Progress | None, total: int) -> Callable[[], None]:
    """Counts the reference's batches and tells them on."""
    started, done = time.monotonic(), 0

    def count() -> None:
        nonlocal done
        done += 1
        if progress is not None:
            progress(TrainingProgress("reference", done, total, time.monotonic() - started))

    return count
