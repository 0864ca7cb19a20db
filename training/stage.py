"""What every method of training shares: the trainer's arguments, the run with its checkpoints, the outputs.

`training.method` builds a TRL trainer from rows; `finish` trains it and leaves a whole folder.
"""

import contextlib
import json
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase, Trainer

from engine.settings import ModelSettings
from prompts.message import Conversation
from training import processes
from training.card import model_card
from training.course import course_table
from training.data import reasons
from training.hub import push
from training.load import precision
from training.model import TRAINER_STATE, Progress, Trained, TrainingError
from training.samples import answer, write_samples
from training.save import save_divided, save_weights, write_json, write_recipe
from training.seams import StepsToProgress, measured_at_the_end, silence, without_number
from training.settings import MethodName, TrainerSettings
from training.tokens import TokenizedRows
from training.workspace import Workspace


@dataclass(frozen=True, slots=True)
class Job:
    """One stage as it was asked for."""

    stage: MethodName
    model: ModelSettings
    settings: TrainerSettings
    seed: int
    card: Mapping[str, str]
    samples: Sequence[Conversation]

    @property
    def kind(self) -> Literal["adapter", "model"]:
        return "adapter" if self.settings.use_peft else "model"

    def run_name(self, out: Path) -> str:
        """What trackers call the run: the recipe, or else the folder beside, with the stage and the seed."""
        return f"{self.card.get('recipe', out.absolute().parent.name)}-{self.stage}-{self.seed}"


def trainer_arguments(job: Job, workspace: Workspace, *, rows: int) -> dict[str, Any]:
    """The part of TRL's configuration that is the same in every stage."""
    settings = job.settings
    chosen = precision(job.model, settings)
    return {
        "output_dir": str(workspace.checkpoints),
        "seed": job.seed,
        "learning_rate": settings.learning_rate,
        "num_train_epochs": settings.epochs,
        "per_device_train_batch_size": settings.batch_size,
        "gradient_accumulation_steps": settings.gradient_accumulation_steps,
        # The first step of a warm-up has rate 0, so a short run has none.
        "warmup_steps": int(settings.warmup_ratio * settings.optimizer_steps(rows, processes.count())),
        "lr_scheduler_type": settings.lr_scheduler_type,
        "weight_decay": settings.weight_decay,
        "max_grad_norm": settings.max_grad_norm,
        "gradient_checkpointing": settings.gradient_checkpointing,
        "max_length": None,  # rows are cut, and counted, before they come here
        "bf16": chosen.compute is torch.bfloat16,
        "fp16": chosen.compute is torch.float16,
        "use_cpu": chosen.device.type == "cpu",
        "dataloader_pin_memory": chosen.device.type == "cuda",
        "logging_steps": settings.logging_steps,
        "logging_first_step": True,
        "save_strategy": "steps" if settings.save_steps else "no",
        "save_steps": settings.save_steps or 500,
        "save_total_limit": None if settings.keep_checkpoints else 2,
        "report_to": settings.report_to,
        "run_name": job.run_name(workspace.out),
        "disable_tqdm": True,
    }


@contextlib.contextmanager
def explained(settings: TrainerSettings) -> Iterator[None]:
    """What the libraries refuse, told as a `TrainingError` with the next step."""
    try:
        yield
    except torch.OutOfMemoryError as error:
        raise TrainingError(
            f"the device has too little memory for batch_size {settings.batch_size} at max_length "
            f"{settings.max_length}\nhalve batch_size and double gradient_accumulation_steps, "
            "or set gradient_checkpointing: true"
        ) from error
    except ValueError as error:
        if isinstance(error, TrainingError):
            raise
        raise TrainingError(f"these settings cannot be trained with: {error}") from error


@dataclass(frozen=True, slots=True)
class Outcome:
    """A trained model in memory, and the folder that its outputs are written into."""

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    rows: TokenizedRows
    job: Job
    folder: Path


Show = Callable[[Outcome], Mapping[str, float]]
"""Writes what the trained model does into the folder, and gives what was measured on the way."""


def show_answers(outcome: Outcome) -> Mapping[str, float]:
    """The model's greedy answers to the given conversations; nothing is measured."""
    write_samples(outcome.folder, answer(outcome.model, outcome.tokenizer, outcome.job.samples))
    return {}


def finish(
    trainer: Trainer,
    tokenizer: PreTrainedTokenizerBase,
    *,
    job: Job,
    workspace: Workspace,
    rows: TokenizedRows,
    show: Show,
    counts: Mapping[str, float],
    progress: Progress | None,
) -> Trained:
    """Train to the end, from the last checkpoint if there is one, and write every output, one process all.

    `counts` are numbers of the rows, told with what `show` measures.
    """

    def measure() -> Mapping[str, float]:
        _check_finite(trainer, workspace.out)
        if not processes.is_first():
            return {}
        if processes.divided():
            return counts
        model = cast("PreTrainedModel", trainer.model)
        return {**show(Outcome(model, tokenizer, rows, job, workspace.new_result())), **counts}

    measured = measured_at_the_end(trainer, measure)
    seconds = _train(trainer, workspace, progress)
    if processes.divided():
        processes.shared(workspace.new_result)
        save_divided(trainer, tokenizer, workspace.result, base=job.model.model)
    return processes.shared(
        lambda: _leave(
            trainer, tokenizer, job=job, workspace=workspace, rows=rows, measured=measured, seconds=seconds
        )
    )


def _leave(
    trainer: Trainer,
    tokenizer: PreTrainedTokenizerBase,
    *,
    job: Job,
    workspace: Workspace,
    rows: TokenizedRows,
    measured: Mapping[str, float],
    seconds: float,
) -> Trained:
    """Every output of a model that is trained, and the folder's final name."""
    folder = workspace.result
    if not processes.divided():
        save_weights(cast("PreTrainedModel", trainer.model), tokenizer, folder, base=job.model.model)
    if measured:
        trainer.state.log_history.append({**measured, "step": trainer.state.global_step})
    metrics = {**rows.counts(), **_final_numbers(trainer), "seconds": round(seconds, 1)}
    trainer.state.save_to_json(str(folder / TRAINER_STATE))
    _write_account(folder, job, rows=rows, metrics=metrics)
    if workspace.events.is_dir():
        workspace.events.rename(folder / workspace.events.name)
    workspace.finish(keep_checkpoints=job.settings.keep_checkpoints)
    if job.settings.push_to_hub and job.settings.hub_model_id:
        push(workspace.out, job.settings.hub_model_id)
    return Trained(workspace.out, job.kind, rows.learned, len(rows.truncated), rows.dropped, metrics)


def _write_account(folder: Path, job: Job, *, rows: TokenizedRows, metrics: Mapping[str, float]) -> None:
    """`recipe.yaml`, `README.md` and `metrics.json`: what was asked for and how it went."""
    write_recipe(folder, job.stage, model=job.model, settings=job.settings, seed=job.seed)
    card = model_card(
        job.stage,
        kind=job.kind,
        model=job.model,
        settings=job.settings,
        facts=job.card,
        numbers={name: f"{value:.6g}" for name, value in metrics.items()},
        dropped=reasons(rows.dropped),
        samples=not processes.divided(),
        course=course_table(json.loads((folder / TRAINER_STATE).read_text())["log_history"]),
    )
    (folder / "README.md").write_text(card, encoding="utf-8")
    dropped = [{"row": drop.row, "reason": drop.reason} for drop in rows.dropped]
    write_json(folder / "metrics.json", {**metrics, "dropped": dropped, "truncated": list(rows.truncated)})


def _train(trainer: Trainer, workspace: Workspace, progress: Progress | None) -> float:
    silence(trainer)
    without_number(trainer)
    if progress is not None:
        trainer.add_callback(StepsToProgress(progress))
    checkpoint = processes.shared(lambda: _checkpoint(workspace))
    done = trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
    return float(done.metrics["train_runtime"])


def _checkpoint(workspace: Workspace) -> Path | None:
    """The last whole checkpoint, ready to go on from."""
    checkpoint = workspace.last_checkpoint()
    if checkpoint is not None:
        # A second adapter in a checkpoint makes `transformers` load that one only and leave the trained one
        # as it began. What does not change is not needed, and what learns beside the policy has its own file.
        for config in list(checkpoint.glob("*/adapter_config.json")):
            shutil.rmtree(config.parent)
    return checkpoint


def _check_finite(trainer: Trainer, out: Path) -> None:
    trained = (p for p in cast("PreTrainedModel", trainer.model).parameters() if p.requires_grad)
    finite = all(bool(torch.isfinite(processes.own_part(p)).all()) for p in trained)
    # One may see what another does not hold, and all have to go the same way.
    if not all(processes.gathered(finite)):
        raise TrainingError(
            f"training diverged: weights for {out} are not finite numbers\n"
            "lower learning_rate, or set dtype: float32"
        )


def _final_numbers(trainer: Trainer) -> dict[str, float]:
    """The last value of each logged number, and the mean loss over the whole run as `train_loss`."""
    numbers: dict[str, float] = {"steps": trainer.state.global_step}
    for entry in trainer.state.log_history:
        numbers |= {name: value for name, value in entry.items() if isinstance(value, int | float)}
    for timing in (
        "train_runtime",
        "train_samples_per_second",
        "train_steps_per_second",
        "total_flos",
        "step",
    ):
        numbers.pop(timing, None)
    return numbers
