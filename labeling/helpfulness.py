"""Comparisons by people, mixed into the preferences: the run's own rows in, these and people's out.

Labels for harmlessness alone teach a model to decline; the CAI paper's preference model learns from people's
helpfulness comparisons beside them (Bai et al. 2022, section 4). As many pairs are drawn as make the share
that is asked for, and fewer where the file has no more.
"""

import random
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from labeling.audit.model import HumanPair
from labeling.dataset import HELPFULNESS, Exported, Provenance
from labeling.filter import Filter
from labeling.pair_settings import HelpfulnessSettings
from labeling.preferences import PreferenceRow
from pipeline.context import derived_seed
from prompts.message import Message, as_dicts


@dataclass(frozen=True, slots=True)
class People:
    """Pairs that people labelled, and how many of them are wanted."""

    pairs: Sequence[HumanPair]
    settings: HelpfulnessSettings

    def drawn(self, seed: int) -> list[HumanPair]:
        """All pairs in an order of the seed's own: the first of them are taken."""
        rng = random.Random(derived_seed(seed, HELPFULNESS))
        return rng.sample(self.pairs, len(self.pairs))

    def wanted(self, others: int) -> int:
        """How many make their share beside so many other rows."""
        return making_share(self.settings.share, others)

    def reached(self, counts: Mapping[str, int]) -> str:
        """The share that they have, for people, once all rows are counted."""
        kept = counts[f"{HELPFULNESS}: kept"]
        rows = sum(count for name, count in counts.items() if name.endswith(": kept"))
        said = f"{kept} pairs by people, {_percent(kept / max(rows, 1))} of the rows"
        if kept >= self.wanted(rows - kept):
            return said
        wanted = _percent(self.settings.share)
        return f"{said}; {wanted} were asked for, and there are no more in {self.settings.path}"


def making_share(share: float, others: int) -> int:
    """How many rows make the share beside so many other ones: h / (h + others) = share."""
    return round(others * share / (1 - share))


def mixed(
    pairs: Exported[PreferenceRow], people: People, keep: Filter, *, provenance: Provenance
) -> Exported[PreferenceRow]:
    """The rows, and behind them as many pairs by people as make their share, counted as `helpfulness`.

    They are drawn by the run's seed, and pass the filter as the others do.
    """
    return replace(pairs, rows=_rows(pairs, people, keep, provenance=provenance))


def _rows(
    pairs: Exported[PreferenceRow], people: People, keep: Filter, *, provenance: Provenance
) -> Iterator[PreferenceRow]:
    others = 0
    for row in pairs.rows:
        others += 1
        yield row
    rows = (_row(pair, people.settings, provenance) for pair in people.drawn(provenance.seed))
    yield from _taken(rows, people.wanted(others), keep, counts=pairs.counts)


def _taken(
    rows: Iterator[PreferenceRow], wanted: int, keep: Filter, *, counts: Counter[str]
) -> Iterator[PreferenceRow]:
    """So many of the rows, those aside that the filter leaves out."""
    while wanted and (row := next(rows, None)) is not None:
        fault = keep.fault(row)
        counts[f"{HELPFULNESS}: {fault or 'kept'}"] += 1
        if not fault:
            wanted -= 1
            yield row


def _row(pair: HumanPair, settings: HelpfulnessSettings, provenance: Provenance) -> PreferenceRow:
    """A row that nobody was asked about: what a judge would have said is null, and its lists are empty."""
    return {
        "id": f"{HELPFULNESS}/{pair.id}",
        "prompt": as_dicts(pair.conversation),
        "chosen": as_dicts((Message("assistant", pair.chosen),)),
        "rejected": as_dicts((Message("assistant", pair.rejected),)),
        "chosen_probability": settings.probability,
        "decided_by": "people",
        "audit": "",
        "source": HELPFULNESS,
        "file": pair.source,
        "category": pair.kind,
        "principle": "",
        "shaped_by": "",
        "judged_first_better": None,
        "calibrated_first_better": None,
        "first_is_chosen": True,
        "forward_logit": None,
        "backward_logit": None,
        "forward_mass": None,
        "backward_mass": None,
        "label_way": "",
        "orders_agree": None,
        "labeling_method": "",
        "votes_for_winner": None,
        "vote_principles": [],
        "vote_judges": [],
        "vote_negated": [],
        "vote_probabilities": [],
        "vote_forward_logits": [],
        "vote_backward_logits": [],
        "vote_first_scores": [],
        "vote_second_scores": [],
        "chosen_cut_off": False,
        "rejected_cut_off": False,
        "comparison_template": "",
        "comparison_template_hash": "",
        "journal_keys": [],
        **provenance.columns(),
    }


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"
