"""The ranked dataset: all of a prompt's samples with their scores and ranks, as RRHF reads them.

In: judged pairs. Out: a row for each group of pairs that has ranks (`labeling.ranking`): `prompt`,
`completions` from best to worst, `scores`, `ranks` (Yuan et al. 2023).
"""

from collections import Counter
from collections.abc import Iterable, Iterator

from labeling.dataset import Exported, Provenance, ProvenanceColumns
from labeling.model import Labelled
from labeling.preferences import principles
from labeling.ranking import Ranking, groups, ranked
from labeling.trust import Believing
from prompts.message import Message, MessageDict, as_dicts


class RankedRow(ProvenanceColumns):
    """A row of the ranked dataset; the lists have one entry for each completion, the best first.

    `score_kind` says what the scores are: `win_probability`, from 0 to 1, or the method's own `score`. Equal
    scores share a rank. `merged` counts samples that said the same as another one, `unranked` those whose
    comparisons could not be read; of the `comparisons` that were read, `ties` named no winner.
    """

    id: str
    prompt: list[MessageDict]
    completions: list[list[MessageDict]]
    scores: list[float]
    ranks: list[int]
    score_kind: str
    cut_off: list[bool]
    merged: int
    unranked: int
    comparisons: int
    ties: int
    audit: str
    source: str
    category: str
    principle: str
    labeling_method: str
    comparison_template: str
    comparison_template_hash: str
    journal_keys: list[str]


def ranked_dataset(
    labelled: Iterable[Labelled], believed: Believing, provenance: Provenance
) -> Exported[RankedRow]:
    """A row for each group with ranks; groups without any are counted by their reason."""
    counts: Counter[str] = Counter()
    return Exported(RankedRow, _rows(labelled, believed, provenance, counts=counts), counts)


def _rows(
    labelled: Iterable[Labelled], believed: Believing, provenance: Provenance, *, counts: Counter[str]
) -> Iterator[RankedRow]:
    for name, items in groups(labelled):
        if not name:
            continue
        outcome = ranked(items, believed)
        kept = isinstance(outcome, Ranking)
        counts[f"{items[0].comparison.source}: {'kept' if kept else outcome.reason}"] += 1
        if kept:
            yield _row(name, outcome, believed, provenance=provenance)


def _row(name: str, ranking: Ranking, believed: Believing, *, provenance: Provenance) -> RankedRow:
    comparison, judgment = ranking.extremes.comparison, ranking.extremes.judgment
    different = len(ranking.responses) + ranking.unranked
    return {
        "id": name,
        "prompt": as_dicts(comparison.conversation),
        "completions": [as_dicts((Message("assistant", each.text),)) for each in ranking.responses],
        "scores": list(ranking.scores),
        "ranks": list(ranking.ranks),
        "score_kind": ranking.measure,
        "cut_off": [each.cut_off for each in ranking.responses],
        "merged": believed.settings.best_of_n.n - different,
        "unranked": ranking.unranked,
        "comparisons": len(ranking.comparisons),
        "ties": sum(believed(item.judgment).winner is None for item in ranking.comparisons),
        "audit": believed.trust.digest if believed.trust else "",
        "source": comparison.source,
        "category": comparison.category,
        "principle": principles(judgment.votes),
        "labeling_method": judgment.method,
        "comparison_template": judgment.template,
        "comparison_template_hash": judgment.template_hash,
        "journal_keys": list(dict.fromkeys(key for item in ranking.comparisons for key in item.keys)),
        **provenance.columns(),
    }
