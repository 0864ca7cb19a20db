"""Prompts go through the model, and what several of them begin with goes through it once.

Token ids come in; logits at the prompts' last tokens come out, part by part, and a cache is filled that
answers can grow in (`engine.decode`). A part holds segments of one level of a plan (`engine.prefix`), padded
on the left to the longest; its rows attend to the keys and values of all segments before them.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

import torch
from torch import Tensor
from transformers import PreTrainedModel
from transformers.cache_utils import DynamicCache

from engine.cache import SharedCache, Step, can_share
from engine.prefix import WORTH, Segment, cached_tokens, plan

PART_TOKENS = {"cpu": 2048, "cuda": 8192}
"""New tokens that go through the model at once: on a CPU larger temporaries cost page faults."""

PART_LOGITS = 2048
"""Positions whose logits are held at once, each as large as the vocabulary."""


@dataclass(frozen=True, slots=True)
class Part:
    """Sequences that ended together, and logits at their last tokens: float32, (members, kept, vocabulary).

    Each member's own are the last ones of its row, as many as are kept of it.
    """

    members: list[int]
    logits: Tensor


class Prompts:
    """Sequences of token ids, of which the last `keep` tokens are read: 1 for what follows a prompt.

    `cached` says how many tokens of each are not computed for it, since they are for another one.
    """

    def __init__(
        self, model: PreTrainedModel, sequences: Sequence[Sequence[int]], keep: Sequence[int]
    ) -> None:
        self.model, self.keep = model, keep
        self.sequences = [list(ids) for ids in sequences]
        self.segments = plan(self.sequences, keep) if can_share(model) else []
        self.cached = cached_tokens(self.segments, len(sequences))

    def read(self, into: DynamicCache | None = None) -> Iterator[Part]:
        """Every sequence in some part; in the end `into`, a block cache, holds all of them, right-aligned."""
        if not self.segments:
            ids, mask = left_padded(self.sequences, self.model)
            logits = forward(self.model, ids, mask=mask, cache=into, keep=max(self.keep))
            yield Part(list(range(len(self.sequences))), logits)
            return
        size = sum(segment.length for segment in self.segments if not segment.ends)
        length = max(len(ids) for ids in self.sequences)
        cache = SharedCache(self.model, size=size, into=into, batch=len(self.sequences), length=length)
        for part in self._parts():
            logits = self._forward(part, cache)
            if part[0].ends:
                yield Part([segment.members[0] for segment in part], logits)

    def _parts(self) -> Iterator[list[Segment]]:
        """Segments of one level and about one length, as many as may go through the model at once."""

        def alike(segment: Segment) -> tuple[int, bool]:
            return segment.level, segment.ends

        ordered = sorted(self.segments, key=lambda segment: (alike(segment), segment.length))
        for _, level in groupby(ordered, key=alike):
            part: list[Segment] = []
            for segment in level:
                if part and not self._fits(part, segment):
                    yield part
                    part = []
                part.append(segment)
            yield part

    def _fits(self, part: Sequence[Segment], longer: Segment) -> bool:
        """Whether one more may go along; the others are padded to its length."""
        rows, padding = len(part) + 1, len(part) * (longer.length - part[-1].length)
        tokens = PART_TOKENS.get(self.model.device.type, max(PART_TOKENS.values()))
        kept = self._kept([*part, longer])
        return padding <= WORTH and rows * longer.length <= tokens and rows * kept <= PART_LOGITS

    def _kept(self, part: Sequence[Segment]) -> int:
        return max(self.keep[segment.members[0]] for segment in part) if part[0].ends else 1

    def _forward(self, part: Sequence[Segment], cache: SharedCache) -> Tensor:
        device = self.model.device
        own = [self.sequences[segment.members[0]][segment.start : segment.end] for segment in part]
        ids, is_own = left_padded(own, self.model)
        step = _step(part, is_own.bool(), device)
        ends = torch.tensor([[segment.end] for segment in part], device=device)
        whole = step.past.shape[1] if step.past is not None else ids.shape[1]
        slots = torch.arange(whole, device=device) - (whole - ends)
        return forward(
            self.model,
            ids,
            mask=(slots >= 0).long(),
            cache=cache.at(step),
            position=slots[:, -ids.shape[1] :].clamp(min=0),
            keep=self._kept(part),
        )


def _step(part: Sequence[Segment], own: Tensor, device: torch.device) -> Step:
    """Where a part's keys and values come from and go to."""
    if part[0].ends:
        places, rows = None, torch.tensor([segment.members[0] for segment in part], device=device)
    else:
        runs = [torch.arange(segment.place, segment.place + segment.length) for segment in part]
        places, rows = torch.cat(runs).to(device), None
    past = None
    if part[0].before is not None:
        whole = max(segment.end for segment in part)
        past = torch.zeros(len(part), whole, dtype=torch.long)
        for row, segment in zip(past, part, strict=True):
            first = whole - segment.end
            row[first : first + segment.start] = torch.tensor(segment.older)
        past = past.to(device)
    return Step(own, past=past, places=places, rows=rows)


def forward(
    model: PreTrainedModel,
    ids: Tensor,
    *,
    mask: Tensor,
    cache: DynamicCache | None,
    position: Tensor | None = None,
    keep: int = 1,
) -> Tensor:
    """Logits at the last `keep` of the given tokens, float32, (rows, keep, vocabulary).

    `ids`, and `position` in each sequence, (rows, tokens); `mask` also covers what the cache holds.
    """
    if position is None:
        position = (mask.cumsum(dim=1) - 1).clamp(min=0)
    output = model(
        input_ids=ids,
        attention_mask=mask,
        position_ids=position,
        past_key_values=cache,
        use_cache=cache is not None,
        # Positions, not a number: of a number transformers takes a view, and torch multiplies that by copying
        # the vocabulary's weights for every row (seconds a batch) unless those weights require gradients.
        logits_to_keep=torch.arange(max(ids.shape[1] - keep, 0), ids.shape[1], device=ids.device),
    )
    return output.logits.float()


def left_padded(sequences: Sequence[Sequence[int]], model: PreTrainedModel) -> tuple[Tensor, Tensor]:
    """Token ids and attention mask, both (rows, longest); the padding's id never matters."""
    longest = max(len(sequence) for sequence in sequences)
    ids = torch.zeros(len(sequences), longest, dtype=torch.long)
    mask = torch.zeros_like(ids)
    for i, sequence in enumerate(sequences):
        ids[i, longest - len(sequence) :] = torch.tensor(sequence)
        mask[i, longest - len(sequence) :] = 1
    return ids.to(model.device), mask.to(model.device)
