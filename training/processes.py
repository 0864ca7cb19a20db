"""The processes that train together, as `accelerate launch` starts them: which one this is, what they share.

In: the environment that the launcher sets. Out: the same rows, folders and errors in every process. The first
one reads, writes and decides; the others only compute. What is to be computed of many things is spread: each
process takes its share of them, and all get everything. A process alone is the usual case, and all of this is
then for free.
"""

import os
from collections.abc import Callable, Iterable, Sequence
from datetime import timedelta
from typing import TypeVar, cast

import torch
import torch.distributed
from accelerate import PartialState
from accelerate.utils import broadcast_object_list, send_to_device
from torch import Tensor
from torch.distributed.tensor import DTensor
from transformers.integrations.deepspeed import unset_hf_deepspeed_config

from training.model import TrainingError

Item = TypeVar("Item")
Made = TypeVar("Made")

_FSDP, _ZERO = "ACCELERATE_USE_FSDP", "ACCELERATE_USE_DEEPSPEED"

_PATIENCE = timedelta(days=1)
"""How long a process waits for others: the first one may ask judges for hours. The launcher sees who dies."""


def count() -> int:
    """How many processes train together."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def is_first() -> bool:
    """Whether this process is the one that reads, writes and decides."""
    return _rank() == 0


def _rank() -> int:
    return int(os.environ.get("RANK", "0"))


def divided() -> bool:
    """Whether no process holds all weights: FSDP or ZeRO divides them, and puts them where they belong."""
    return divided_by_fsdp() or _is_true(_ZERO)


def divided_by_fsdp() -> bool:
    """Whether it is FSDP that divides the weights."""
    return _is_true(_FSDP)


def _is_true(name: str) -> bool:
    return os.environ.get(name, "").lower() == "true"


def first_reads_alone() -> bool:
    """Whether only one process of a machine reads weights, and FSDP gives the others their part of those.

    Until then the others hold zeros (`fsdp_cpu_ram_efficient_loading`).
    """
    return divided_by_fsdp() and _is_true("FSDP_CPU_RAM_EFFICIENT_LOADING")


def join(device: torch.device) -> None:
    """Meet the other processes, over gloo on CPUs and NCCL on GPUs; each takes a GPU of its own."""
    # What the stage before told `transformers` of ZeRO would divide this one's models as they are made, for
    # the batch and in the dtype of that stage, and one process could make no model without the others.
    unset_hf_deepspeed_config()
    if count() == 1:
        return
    PartialState(cpu=device.type == "cpu", timeout=_PATIENCE)
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


def share(items: Sequence[Item]) -> Sequence[Item]:
    """This process's part of what all have: a run of it, as long as any other's or longer by one."""
    each, more = divmod(len(items), count())
    rank = _rank()
    start = rank * each + min(rank, more)
    return items[start : start + each + (rank < more)]


def gathered(mine: Made) -> list[Made]:
    """What each process has, in their order, in all of them; it has to be picklable.

    Tensors come in the processor's memory, whatever device they were on; those of a process alone stay.
    """
    if count() == 1:
        return [mine]
    told: list[Made | None] = [None] * count()
    torch.distributed.all_gather_object(told, send_to_device(mine, "cpu"))
    return cast("list[Made]", told)


def spread(items: Sequence[Item], work: Callable[[Sequence[Item]], Made]) -> list[Made]:
    """What `work` makes of each process's share of the items, in their order, in all of them.

    Raises:
        TrainingError: in all processes, where `work` raises it in one.
    """
    if count() == 1:
        return [work(items)]
    made: Made | None = None
    fault: str | None = None
    try:
        made = work(share(items))
    except TrainingError as error:
        fault = str(error)
    told = gathered((made, fault))
    for _, error in told:
        if error is not None:
            raise TrainingError(error)
    return [cast("Made", each) for each, _ in told]


def summed(number: Tensor) -> Tensor:
    """The sum over all processes, in each of them the same."""
    if count() == 1:
        return number
    total = number.clone()
    torch.distributed.all_reduce(total)
    return total


def alike(weights: Iterable[Tensor]) -> None:
    """Give the weights of all processes the values that they have in the first."""
    if count() == 1:
        return
    device = PartialState().device
    for weight in weights:
        # NCCL takes what lies on a GPU.
        there = weight.data.to(device)
        torch.distributed.broadcast(there, src=0)
        if there.device != weight.device:
            weight.data.copy_(there)


def own_part(weight: Tensor) -> Tensor:
    """What this process holds of a weight: all of it, or the part that FSDP or ZeRO gave it."""
    if isinstance(weight, DTensor):
        return weight.to_local()
    # ZeRO leaves the weight itself empty.
    return getattr(weight, "ds_tensor", weight)


def wait() -> None:
    """Go on when all processes are here."""
    if count() > 1:
        PartialState().wait_for_everyone()


def leave() -> None:
    """Part from the others when all are done.

    A process that merely ends, its work done, may still be aborted: gloo's threads let go of Python's objects
    when there is no interpreter any more.
    """
    if count() > 1:
        wait()
        PartialState().destroy_process_group()
