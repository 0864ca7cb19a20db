"""The preference dataset: judged pairs as `prompt`, `chosen`, `rejected`, with the soft label and every vote.

In: pairs with their judgments, and what an audit makes of the judge. Out: rows, and the pairs that have no
winner counted by why.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from labeling.dataset import Exported, Provenance, ProvenanceColumns
from labeling.model import CONSTRUCTED, Comparison, Judgment, Labelled, Vote
from labeling.ranking import best_and_worst
from labeling.settings import LabelingSettings
from labeling.trust import Believing, Trust
from prompts.message import Message, MessageDict, as_dicts


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
