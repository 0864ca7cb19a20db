"""Experiment trackers: whether the one that `report_to` names is there, and a run of its own for each stage.

`transformers` tells them what is logged. TensorBoard's files lie below the checkpoints and are kept with the
model; the others keep theirs where their own environment variables say (`WANDB_DIR`, `TRACKIO_DIR`).
"""

import contextlib
from collections.abc import Iterator, Mapping
from importlib import import_module
from importlib.util import find_spec

from training.settings_trainer import Tracker

PACKAGES: Mapping[Tracker, tuple[str, ...]] = {
    "none": (),
    "tensorboard": ("tensorboard", "tensorboardX"),
    "wandb": ("wandb",),
    "mlflow": ("mlflow",),
    "trackio": ("trackio",),
}
"""The packages any one of which a tracker needs; the first is the one to install."""


def lacking(tracker: Tracker) -> str:
    """What is missing and what to do about it; "" where the tracker can be told."""
    packages = PACKAGES[tracker]
    if not packages or any(find_spec(package) is not None for package in packages):
        return ""
    return (
        f"report_to: {tracker} needs the package of that name, which is not installed\n"
        f"run: pip install {packages[0]}, or set report_to: none"
    )


@contextlib.contextmanager
def own_run(tracker: Tracker) -> Iterator[None]:
    """In here a stage is told to a run of its own, which ends with it; one that was there before goes on.

    Of the trackers W&B alone leaves a run open, and would take the next stage of this process for more of
    this one, from step 0 again.
    """
    if tracker != "wandb":
        yield
        return
    wandb = import_module("wandb")
    if wandb.run is not None:
        yield
        return
    ended = 1
    try:
        yield
        ended = 0
    finally:
        if wandb.run is not None:
            wandb.finish(exit_code=ended)
