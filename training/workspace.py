"""Where a stage works: `OUT.partial` beside its output, with checkpoints to go on from, renamed when whole.

The folder's `inputs.json` holds a digest over everything that decides the outcome. A stage goes on from a
checkpoint only where the digest is the same.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from engine.local_model import locate
from engine.model_folder import content_digest
from engine.settings import ModelSettings
from pipeline.disk import sync_folder
from training import processes
from training.data import Row
from training.model import CHECKPOINTS, TRAINER_STATE, TrainingError
from training.settings import TrainerSettings

_SERVING_ONLY = {
    "max_batch_size",
    "max_batch_tokens",
    "base_url",
    "api_key_env",
    "timeout_s",
    "max_in_flight",
    "retries",
    "revision",
    "label_way",
}


_TO_GO_ON = (
    *("optimizer*", "scheduler*", "rng_state*", TRAINER_STATE, "training_args.bin"),
    *("pytorch_model_fsdp*", "latest", "zero_to_*.py"),
)
"""What a checkpoint holds beside its weights, for training to go on from it; FSDP and ZeRO have more."""


def is_complete(out: Path) -> bool:
    """Whether a stage was finished here; the folder gets its name only when everything is in it."""
    return (out / "metrics.json").is_file() and (out / "recipe.yaml").is_file()


@dataclass(frozen=True, slots=True)
class Workspace:
    """The partial folder of one stage, ready to train in."""

    out: Path
    partial: Path

    @property
    def checkpoints(self) -> Path:
        return self.partial / CHECKPOINTS

    @property
    def events(self) -> Path:
        """What TensorBoard was told; `transformers` writes it below the checkpoints."""
        return self.checkpoints / "runs"

    @property
    def result(self) -> Path:
        return self.partial / "result"

    def last_checkpoint(self) -> Path | None:
        """The newest checkpoint that was written to its end, if there is one."""
        # The trainer writes its state after everything else that a checkpoint holds.
        whole = [path.parent for path in self.checkpoints.glob("checkpoint-*/trainer_state.json")]
        return max(whole, key=lambda folder: int(folder.name.rpartition("-")[2]), default=None)

    def new_result(self) -> Path:
        """An empty folder to write the outputs into."""
        shutil.rmtree(self.result, ignore_errors=True)
        self.result.mkdir()
        return self.result

    def finish(self, *, keep_checkpoints: bool = False) -> None:
        """Give the written outputs their final name and take the rest away, or keep checkpoints' weights."""
        if keep_checkpoints:
            for checkpoint in self.checkpoints.glob("checkpoint-*"):
                _keep_weights(checkpoint, self.result / CHECKPOINTS / checkpoint.name)
        _sync(self.result)
        self.result.rename(self.out)
        sync_folder(self.out.parent)
        shutil.rmtree(self.partial, ignore_errors=True)


def open_workspace(out: Path, digest: str) -> Workspace:
    """The partial folder for `out`, with its checkpoints if they belong to the same inputs.

    Raises:
        TrainingError: `out` is there already, or checkpoints of other inputs are in the way.
    """
    if out.exists():
        state = "holds a finished model" if is_complete(out) else "exists already"
        raise TrainingError(f"{out} {state}; nothing is overwritten: give another folder or move it away")
    workspace = Workspace(out, out.with_name(out.name + ".partial"))
    inputs = workspace.partial / "inputs.json"
    if workspace.last_checkpoint() is None:
        shutil.rmtree(workspace.partial, ignore_errors=True)
    elif _digest_in(inputs) != digest:
        raise TrainingError(
            f"{workspace.partial} holds checkpoints of a run with other data, model or settings\n"
            f"remove that folder to train anew, or give the settings that it was started with"
        )
    workspace.checkpoints.mkdir(parents=True, exist_ok=True)
    if not inputs.is_file():
        inputs.write_text(json.dumps({"digest": digest}) + "\n")
    return workspace


def inputs_digest(
    rows: Iterable[Row],
    *,
    columns: Sequence[str],
    model: ModelSettings,
    settings: TrainerSettings,
    seed: int,
    judge: str = "",
) -> str:
    """SHA-256 over what decides the outcome: trained columns, base and adapter weights, settings, seed, and
    the digest of the judge that is asked.
    """
    decisive: Mapping[str, object] = {
        "stage": type(settings).__name__,
        "model": model.model_dump(mode="json", exclude=_SERVING_ONLY | {"model", "adapter"}),
        "weights": [_weights(model.model), content_digest(model.adapter) if model.adapter else ""],
        "settings": settings.decisive(),
        "seed": seed,
        **({"judge": judge} if judge else {}),
        # A step of several processes is several batches.
        **({"processes": processes.count()} if processes.count() > 1 else {}),
    }
    digest = hashlib.sha256(json.dumps(decisive, sort_keys=True).encode())
    for row in rows:
        trained = [row.get(column) for column in columns]
        digest.update(json.dumps(trained, sort_keys=True, default=list).encode())
    return digest.hexdigest()


def _keep_weights(checkpoint: Path, kept: Path) -> None:
    """The files that answering needs; another adapter in a folder of its own is none of them."""
    kept.mkdir(parents=True)
    left = {path for pattern in _TO_GO_ON for path in checkpoint.glob(pattern)}
    for path in checkpoint.iterdir():
        if path.is_file() and path not in left:
            # Copied: whoever is killed here goes on from a checkpoint that is still whole.
            shutil.copy2(path, kept / path.name)


def _weights(model: str) -> str:
    """A folder's content, wherever it lies; of a model on the Hub its name."""
    folder = Path(locate(model))
    return content_digest(folder) if folder.is_dir() else model


def _digest_in(inputs: Path) -> str:
    try:
        return json.loads(inputs.read_text())["digest"]
    except (OSError, ValueError, KeyError, TypeError):
        return ""


def _sync(folder: Path) -> None:
    for path in folder.rglob("*"):
        if path.is_file():
            with path.open("rb") as file:
                os.fsync(file.fileno())
    sync_folder(folder)
