"""The gradient of an optimizer step that several processes take together: what each has in, their sum out.

Each process goes back through its own batches of the step, and divides their losses by what the whole step
holds; so the sum over processes is the gradient that one process with all batches has. PyTorch's own way,
`DistributedDataParallel`, sums in a backward pass that began with a forward pass of its wrapper. Online
methods have passes that never meet it: the policy is asked inside, and a critic goes back by itself. That the
wrapper then stays out of it is held by `tests/test_training_online_processes.py`.
"""

from collections.abc import Iterable, Iterator, Sequence

import torch
import torch.distributed
from torch import Tensor
from torch.nn import Parameter

from training import processes

TOGETHER = 2**24
"""Numbers that are sent at once: small adapters in one go, and never a second copy of all gradients."""


def sum_gradients(weights: Iterable[Parameter]) -> None:
    """Give each weight the sum of its gradients in all processes; where nobody has one, there is none after.

    Every process has to call this with the same weights in the same order.
    """
    trained = [weight for weight in dict.fromkeys(weights) if weight.requires_grad]
    if processes.count() == 1 or not trained:
        return
    for some in _bundles(_learned(trained)):
        flat = torch.cat([_gradient(weight).flatten() for weight in some])
        torch.distributed.all_reduce(flat)
        for weight, part in zip(some, flat.split([weight.numel() for weight in some]), strict=True):
            weight.grad = part.view_as(weight)


def _learned(weights: Sequence[Parameter]) -> list[Parameter]:
    """Those that have a gradient in some process: a process whose batches are all empty has none."""
    known = torch.tensor([float(weight.grad is not None) for weight in weights], device=weights[0].device)
    found = processes.summed(known).tolist()
    return [weight for weight, processes_with in zip(weights, found, strict=True) if processes_with]


def _gradient(weight: Parameter) -> Tensor:
    return torch.zeros_like(weight) if weight.grad is None else weight.grad


def _bundles(weights: Iterable[Parameter]) -> Iterator[list[Parameter]]:
    """The weights in their order, so many together that they have about `TOGETHER` numbers."""
    some: list[Parameter] = []
    numbers = 0
    for weight in weights:
        some.append(weight)
        numbers += weight.numel()
        if numbers >= TOGETHER:
            yield some
            some, numbers = [], 0
    if some:
        yield some
