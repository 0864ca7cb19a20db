"""The SFT dataset: revisions and helpful samples that are fit to learn from, as `messages`.

In: trajectories with what selection says of their answers. Out: rows, and every other answer counted by its
reason.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from critique.model import Trajectory
from critique.select import Selected
from labeling.dataset import Exported, Provenance, ProvenanceColumns
from prompts.message import Conversation, Message, MessageDict, as_dicts


class SFTRow(ProvenanceColumns):
    """A row of the SFT dataset."""

    id: str
    messages: list[MessageDict]
    kind: str
    category: str
    round: int
    principle: str
    cut_off: bool
    journal_keys: list[str]


def sft_dataset(
    selected: Iterable[tuple[Trajectory, Sequence[Selected]]], provenance: Provenance
) -> Exported[SFTRow]:
    """Kept revisions and helpful samples as `messages`; every other answer is counted by its reason."""
    counts: Counter[str] = Counter()
    return Exported(SFTRow, _sft_rows(selected, provenance, counts), counts)


def _sft_rows(
    selected: Iterable[tuple[Trajectory, Sequence[Selected]]], provenance: Provenance, counts: Counter[str]
) -> Iterator[SFTRow]:
    for trajectory, answers in selected:
        request = trajectory.request
        for number, answer in enumerate(answers):
            counts[f"{request.kind}: {answer.reason}"] += 1
            if answer.kept:
                yield {
                    "id": f"{request.id}/{answer.round or number}",
                    "messages": _conversation(request.conversation, answer.answer.text),
                    "kind": request.kind,
                    "category": request.category,
                    "round": answer.round,
                    "principle": answer.principle or "",
                    "cut_off": answer.answer.cut_off,
                    "journal_keys": list(trajectory.keys),
                    **provenance.columns(),
                }


def _conversation(conversation: Conversation, answer: str) -> list[MessageDict]:
    return as_dicts((*conversation, Message("assistant", answer)))
