"""The processes that train together, as `accelerate launch` starts them: which one this is, what they share.

In: the environment that the launcher sets. Out: the same rows, folders and errors in every process. The first
one reads, writes and decides; the others only compute. A process alone is the usual case, and all of this is
then for free.
"""

import os
from collections.abc import Callable
from typing import TypeVar, cast

import torch
from accelerate import PartialState
from accelerate.utils import broadcast_object_list

from training.model import TrainingError

Made = TypeVar("Made")

_DIVIDED_BY = ("ACCELERATE_USE_FSDP", "ACCELERATE_USE_DEEPSPEED")


def count() -> int:
    """How many processes train together."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def is_first() -> bool:
    """Whether this process is the one that reads, writes and decides."""
    return int(os.environ.get("RANK", "0")) == 0


def divided() -> bool:
    """Whether no process holds all weights: FSDP or ZeRO divides them, and puts them where they belong."""
    return any(os.environ.get(name, "").lower() == "true" for name in _DIVIDED_BY)


def join(device: torch.device) -> None:
    """Meet the other processes, over gloo on CPUs and NCCL on GPUs; each takes a GPU of its own."""
    if count() == 1:
        return
    PartialState(cpu=device.type == "cpu")
    if device.type == "cuda":
        # Each thread has a current device of its own, and training runs in one that is not the main thread.
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))


def shared(make: Callable[[], Made]) -> Made:
    """What the first process makes, in all of them; it has to be picklable.

    Raises:
        TrainingError: in all processes, where `make` raises it in the first.
    """
    if count() == 1:
        return make()
    told: list[object] = [None, None]
    if is_first():
        try:
            told[0] = make()
        except TrainingError as error:
            told[1] = str(error)
    mine = told[0]
    broadcast_object_list(told)
    if told[1] is not None:
        raise TrainingError(str(told[1]))
    # The first one keeps its own, whose files go with it.
    return cast("Made", mine if is_first() else told[0])


def wait() -> None:
    """Go on when all processes are here."""
    if count() > 1:
        PartialState().wait_for_everyone()
