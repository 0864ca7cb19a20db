"""Datasets out of trajectories and judged pairs: conversational, with provenance, with a card.

SFT rows have `messages`; preference rows `prompt`, `chosen` and `rejected` with an explicit prompt and the
soft label. They load with `datasets.load_dataset(FOLDER)` and go straight into TRL.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Generic, TypedDict, TypeVar

from critique.model import Trajectory
from critique.select import Selected
from labeling.markdown import cell
from labeling.model import CONSTRUCTED, Comparison, Judgment, Labelled, Vote
from labeling.ranking import best_and_worst
from labeling.settings import LabelingSettings
from labeling.trust import Believing, Trust
from pipeline.store import write_records
from prompts.message import Conversation, Message, MessageDict, as_dicts

HELPFULNESS = "helpfulness"
"""The source of pairs that people labelled."""


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where a dataset's rows come from; the same for every row of it.

    `templates`: template name to hash; `engines`: role to engine fingerprint; `sampling`: stage to settings.
    """

    constitution: str
    constitution_digest: str
    templates: Mapping[str, str]
    engines: Mapping[str, str]
    sampling: Mapping[str, object]
    seed: int

    def columns(self) -> "ProvenanceColumns":
        return {
            "constitution": self.constitution,
            "constitution_digest": self.constitution_digest,
            "templates": json.dumps(self.templates, sort_keys=True),
            "engines": json.dumps(self.engines, sort_keys=True),
            "sampling": json.dumps(self.sampling, sort_keys=True),
            "seed": self.seed,
        }


class ProvenanceColumns(TypedDict):
    """What every row of a dataset says of where it comes from."""

    constitution: str
    constitution_digest: str
    templates: str
    engines: str
    sampling: str
    seed: int


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


class PreferenceRow(ProvenanceColumns):
    """A row of the preference dataset.

    `chosen_probability` is the soft label: calibrated where the judge decides and an audit, whose digest
    `audit` is, says how. Of several votes, the logits are means, the masses the smallest ones, and
    `principle` names all that voted, with commas. The `vote_` lists have one entry for each vote, in one
    order; there the first response is the one that `judged_first_better` means, whichever was chosen.
    `shaped_by` is the principle by which a response was made, `file` the one that a pair by people is from.
    """

    id: str
    prompt: list[MessageDict]
    chosen: list[MessageDict]
    rejected: list[MessageDict]
    chosen_probability: float
    decided_by: str
    audit: str
    source: str
    file: str
    category: str
    principle: str
    shaped_by: str
    judged_first_better: float | None
    calibrated_first_better: float | None
    first_is_chosen: bool
    forward_logit: float | None
    backward_logit: float | None
    forward_mass: float | None
    backward_mass: float | None
    label_way: str
    orders_agree: bool | None
    labeling_method: str
    votes_for_winner: float | None
    vote_principles: list[str]
    vote_judges: list[str]
    vote_negated: list[bool]
    vote_probabilities: list[float | None]
    vote_forward_logits: list[float | None]
    vote_backward_logits: list[float | None]
    vote_first_scores: list[float | None]
    vote_second_scores: list[float | None]
    chosen_cut_off: bool
    rejected_cut_off: bool
    comparison_template: str
    comparison_template_hash: str
    journal_keys: list[str]


ExportedRow = TypeVar("ExportedRow", bound=ProvenanceColumns)


@dataclass(frozen=True, slots=True)
class Exported(Generic[ExportedRow]):
    """A dataset's rows, made as they are asked for, and how many answers were kept or left out, by reason.

    `counts` is whole once the rows have been gone through.
    """

    kind: type[ExportedRow]
    rows: Iterator[ExportedRow]
    counts: Counter[str] = field(default_factory=Counter)


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


def preference_dataset(
    labelled: Iterable[Labelled],
    settings: LabelingSettings,
    provenance: Provenance,
    *,
    trust: Trust | None = None,
) -> Exported[PreferenceRow]:
    """Judged pairs as `prompt`, `chosen`, `rejected`; ties, refusals and unparsed judgments are counted.

    `trust` is what an audit says of the judge; without one its probabilities are taken as they are.
    """
    counts: Counter[str] = Counter()
    rows = _preference_rows(labelled, settings, provenance, trust=trust, counts=counts)
    return Exported(PreferenceRow, rows, counts)


def _preference_rows(
    labelled: Iterable[Labelled],
    settings: LabelingSettings,
    provenance: Provenance,
    *,
    trust: Trust | None,
    counts: Counter[str],
) -> Iterator[PreferenceRow]:
    believed = Believing(settings, trust)
    for item in best_and_worst(labelled, believed, counts=counts):
        label = _label(item, believed)
        if label.first_wins is None:
            counts[f"{item.comparison.source}: {label.why}"] += 1
            continue
        counts[f"{item.comparison.source}: kept"] += 1
        yield _preference(item, provenance, label=label)


def first_wins(item: Labelled, believed: Believing) -> bool | None:
    """Whether a pair's first response is the chosen one of the dataset; None where the pair is left out."""
    return _label(item, believed).first_wins


@dataclass(frozen=True, slots=True)
class _Label:
    """What a pair's label is. `first_wins` is None where it has none; `why` says who decided, or why not.

    `probability` is that of the first response being better, by the judge, calibrated where that is known.
    """

    first_wins: bool | None
    why: str
    probability: float | None
    audit: str


def _label(item: Labelled, believed: Believing) -> _Label:
    belief, audit = believed(item.judgment), believed.trust.digest if believed.trust else ""
    constructed = item.comparison.source in CONSTRUCTED and not item.comparison.identical
    if believed.settings.decide == "construction" and constructed:
        return _Label(True, "construction", belief.probability, audit)
    if belief.winner is None:
        return _Label(None, belief.why, belief.probability, audit)
    return _Label(belief.winner == "first", "judge", belief.probability, audit)


def _preference(item: Labelled, provenance: Provenance, *, label: _Label) -> PreferenceRow:
    comparison: Comparison = item.comparison
    judgment: Judgment = item.judgment
    votes = judgment.votes
    first_wins = bool(label.first_wins)
    chosen, rejected = (
        (comparison.first, comparison.second) if first_wins else (comparison.second, comparison.first)
    )
    first_better = 1.0 if label.why == "construction" else label.probability or 0.0
    return {
        "id": comparison.id,
        "prompt": as_dicts(comparison.conversation),
        "chosen": as_dicts((Message("assistant", chosen.text),)),
        "rejected": as_dicts((Message("assistant", rejected.text),)),
        "chosen_probability": first_better if first_wins else 1 - first_better,
        "decided_by": label.why,
        "audit": label.audit,
        "source": comparison.source,
        "file": "",
        "category": comparison.category,
        "principle": principles(votes),
        "shaped_by": comparison.shaped_by,
        "judged_first_better": judgment.probability,
        "calibrated_first_better": label.probability if label.audit else None,
        "first_is_chosen": first_wins,
        "forward_logit": judgment.forward_logit,
        "backward_logit": judgment.backward_logit,
        "forward_mass": _smallest(vote.forward.mass for vote in votes),
        "backward_mass": _smallest(vote.backward.mass for vote in votes),
        "label_way": votes[0].forward.way,
        "orders_agree": judgment.agree,
        "labeling_method": judgment.method,
        "votes_for_winner": judgment.unity,
        "vote_principles": [vote.principle for vote in votes],
        "vote_judges": [vote.judge for vote in votes],
        "vote_negated": [vote.negated for vote in votes],
        "vote_probabilities": [vote.probability for vote in votes],
        "vote_forward_logits": [vote.forward.logit for vote in votes],
        "vote_backward_logits": [vote.backward.logit for vote in votes],
        "vote_first_scores": [vote.first_score for vote in votes],
        "vote_second_scores": [vote.second_score for vote in votes],
        "chosen_cut_off": chosen.cut_off,
        "rejected_cut_off": rejected.cut_off,
        "comparison_template": judgment.template,
        "comparison_template_hash": judgment.template_hash,
        "journal_keys": list(item.keys),
        **provenance.columns(),
    }


def principles(votes: Iterable[Vote]) -> str:
    """All that voted, each once, with commas."""
    return ", ".join(dict.fromkeys(vote.principle for vote in votes))


def _smallest(values: Iterable[float | None]) -> float | None:
    return min((value for value in values if value is not None), default=None)


def write_dataset(
    folder: Path,
    exported: Exported[ExportedRow],
    *,
    title: str,
    facts: Callable[[], Mapping[str, str]],
    warning: str = "",
) -> Path:
    """Shards `train-*.parquet` and the card `README.md` in the folder, which is returned.

    `facts` is asked once all rows are written, so that it may say what was counted on the way. `warning` is
    what a reader must know first.

    Raises:
        StoreError: nothing was kept, or a file cannot be written.
    """
    kept = write_records(folder, exported.rows, exported.kind, stem="train").records
    card = _card(title, exported.counts, facts(), kept=kept, warning=warning)
    (folder / "README.md").write_text(card, encoding="utf-8")
    return folder


def _card(title: str, counts: Mapping[str, int], facts: Mapping[str, str], *, kept: int, warning: str) -> str:
    left_out = {key: count for key, count in sorted(counts.items()) if not key.endswith(": kept")}
    lines = [
        "---",
        "language: [en]",
        "tags: [solon, constitutional-ai, rlaif]",
        "configs:",
        "- config_name: default",
        "  data_files: train-*.parquet",
        "---",
        "",
        *([f"> **{cell(warning)}**", ""] if warning else []),
        f"# {cell(title)}",
        "",
        f"Made by Solon. Labels and revisions were written by a model, not by people{_but(counts)}.",
        "",
        *(f"- **{cell(name)}**: {cell(value)}" for name, value in facts.items()),
        f"- **rows kept**: {kept}",
        "",
        "## Left out, by reason",
        "",
        *([f"- {cell(reason)}: {count}" for reason, count in left_out.items()] or ["Nothing was left out."]),
        "",
    ]
    return "\n".join(lines)


def _but(counts: Mapping[str, int]) -> str:
    people = counts.get(f"{HELPFULNESS}: kept", 0)
    return f", but for {people} rows of {HELPFULNESS}" if people else ""


def _conversation(conversation: Conversation, answer: str) -> list[MessageDict]:
    return as_dicts((*conversation, Message("assistant", answer)))
