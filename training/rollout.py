"""One rollout: answers that the policy sampled, as padded tensors, and how an update goes through them.

Prompts are padded on the left and answers on the right, so that every answer begins in the same column. Masks
follow lengths and never token ids, since the end token may be the one that pads.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from training import processes


@dataclass(frozen=True, slots=True)
class Sampled:
    """Prompts with their answers: `ids` and `mask` (answers, prompt + answer), `answered` (answers, answer).

    `answered` is 1 on an answer's own tokens, its end token included.
    """

    ids: Tensor
    mask: Tensor
    answered: Tensor

    @property
    def keep(self) -> int:
        """Columns of the answers, at the right of `ids`."""
        return self.answered.shape[1]

    @property
    def lengths(self) -> Tensor:
        """Tokens of each answer."""
        return self.answered.sum(1)

    def rows(self, places: Tensor) -> "Sampled":
        """Some of the answers, without columns that only pad."""
        mask, answered = self.mask[places], self.answered[places]
        end = self.mask.shape[1] - self.keep + int(answered.sum(1).max())
        prompts = mask[:, : self.mask.shape[1] - self.keep]
        start = prompts.shape[1] - int(prompts.sum(1).max())
        return Sampled(
            self.ids[places, start:end], mask[:, start:end], answered[:, : int(answered.sum(1).max())]
        )


def padded(
    prompts: Sequence[Sequence[int]], answers: Sequence[Sequence[int]], *, pad: int, device: torch.device
) -> Sampled:
    """Token ids as they were sampled, padded to one width; every answer has a token at least."""
    left, left_mask = _padded(prompts, pad, "left")
    right, right_mask = _padded(answers, pad, "right")
    ids, mask = torch.cat([left, right], 1), torch.cat([left_mask, right_mask], 1)
    return Sampled(ids.to(device), mask.to(device), right_mask.to(device))


@torch.no_grad()
def told_of(sampled: Sampled, size: int, ask: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
    """What `ask` says of `ids` and `mask`, so many rows at a time; (answers, answer).

    Of several processes each asks about its share of the answers.
    """

    def of(places: Sequence[int]) -> Tensor:
        parts = torch.tensor(places, device=sampled.ids.device).split(size)
        return torch.cat([ask(sampled.ids[part], sampled.mask[part]) for part in parts])

    return torch.cat(processes.spread(range(len(sampled.ids)), of)).to(sampled.ids.device)


@dataclass(frozen=True, slots=True)
class Learned:
    """What is known of each token of an answer before the update; all (answers, answer)."""

    log_probs: Tensor
    values: Tensor
    advantages: Tensor
    returns: Tensor

    def rows(self, places: Tensor, columns: int) -> "Learned":
        return Learned(*(getattr(self, field.name)[places, :columns] for field in fields(self)))


@dataclass(frozen=True, slots=True)
class Batch:
    """Rows of one forward pass. `tokens`: those of the whole optimizer step, which its losses are a mean of.

    In a `warmup` only the critic learns.
    """

    sampled: Sampled
    learned: Learned
    tokens: Tensor
    warmup: bool


@dataclass(frozen=True, slots=True)
class Passes:
    """How a rollout is gone through: so many times, in steps of `accumulated` batches of `size` rows.

    Several processes take a step together: it has so many batches of each.
    """

    times: int
    size: int
    accumulated: int

    def places(self, answers: int, generator: torch.Generator) -> Iterator[tuple[Tensor, Tensor]]:
        """For each of this process's batches the answers of its whole optimizer step and its own.

        Their order is a new one each time, and the same in all processes.
        """
        step = self.size * self.accumulated * processes.count()
        for _ in range(self.times):
            for together in torch.randperm(answers, generator=generator).split(step):
                for places in processes.share(together.split(self.size)):
                    yield together, places

    def batches(
        self, sampled: Sampled, learned: Learned, generator: torch.Generator, *, warmup: bool
    ) -> Iterator[Batch]:
        """This process's batches of all optimizer steps."""
        for together, places in self.places(len(sampled.ids), generator):
            rows = sampled.rows(places)
            yield Batch(rows, learned.rows(places, rows.keep), sampled.lengths[together].sum(), warmup)


def _padded(rows: Sequence[Sequence[int]], pad: int, side: str) -> tuple[Tensor, Tensor]:
    ids = [torch.tensor(row) for row in rows]
    masks = [torch.ones_like(row) for row in ids]
    return (
        pad_sequence(ids, batch_first=True, padding_value=pad, padding_side=side),
        pad_sequence(masks, batch_first=True, padding_value=0, padding_side=side),
    )
