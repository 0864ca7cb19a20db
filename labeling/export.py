"""Datasets out of trajectories and judged pairs: conversational, with provenance, with a card.

SFT rows have `messages`; preference rows `prompt`, `chosen` and `rejected` with an explicit prompt and the
soft label. They load with `datasets.load_dataset(FOLDER)` and go straight into TRL.
"""

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from critique.model import Trajectory
from critique.select import Selected
from labeling.model import Comparison, Judgment, LabelingSettings, Labelled
from pipeline.store import write_rows
from prompts.message import Conversation, Message, MessageDict, as_dicts


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

    def columns(self) -> dict[str, object]:
        return {
            "constitution": self.constitution,
            "constitution_digest": self.constitution_digest,
            "templates": json.dumps(self.templates, sort_keys=True),
            "engines": json.dumps(self.engines, sort_keys=True),
            "sampling": json.dumps(self.sampling, sort_keys=True),
            "seed": self.seed,
        }


@dataclass(frozen=True, slots=True)
class Exported:
    """A dataset's rows and how many answers were kept or left out, by reason."""

    rows: list[dict[str, object]]
    counts: Mapping[str, int]


def sft_dataset(
    selected: Iterable[tuple[Trajectory, Sequence[Selected]]], provenance: Provenance
) -> Exported:
    """Kept revisions and helpful samples as `messages`; every other answer is counted by its reason."""
    rows: list[dict[str, object]] = []
    counts: Counter[str] = Counter()
    for trajectory, answers in selected:
        request = trajectory.request
        for number, answer in enumerate(answers):
            counts[f"{request.kind}: {answer.reason}"] += 1
            if answer.kept:
                rows.append(
                    {
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
                )
    return Exported(rows, dict(counts))


def preference_dataset(
    labelled: Iterable[Labelled], settings: LabelingSettings, provenance: Provenance
) -> Exported:
    """Judged pairs as `prompt`, `chosen`, `rejected`; ties and unparsed judgments are counted, never kept."""
    rows: list[dict[str, object]] = []
    counts: Counter[str] = Counter()
    for item in labelled:
        first_wins, decided_by = _winner(item, settings)
        if first_wins is None:
            counts[f"{item.comparison.source}: {item.judgment.verdict}"] += 1
            continue
        counts[f"{item.comparison.source}: kept"] += 1
        rows.append(_preference(item, first_wins=first_wins, decided_by=decided_by) | provenance.columns())
    return Exported(rows, dict(counts))


def _winner(item: Labelled, settings: LabelingSettings) -> tuple[bool | None, str]:
    if settings.decide == "construction" and item.comparison.source != "samples":
        return True, "construction"
    if item.judgment.verdict in ("tie", "unparsed"):
        return None, "judge"
    return item.judgment.verdict == "first", "judge"


def _preference(item: Labelled, *, first_wins: bool, decided_by: str) -> dict[str, object]:
    comparison: Comparison = item.comparison
    judgment: Judgment = item.judgment
    chosen, rejected = (
        (comparison.first, comparison.second) if first_wins else (comparison.second, comparison.first)
    )
    judged = judgment.probability
    probability = 1.0 if decided_by == "construction" else (judged if first_wins else 1 - (judged or 0.0))
    return {
        "id": comparison.id,
        "prompt": as_dicts(comparison.conversation),
        "chosen": as_dicts((Message("assistant", chosen.text),)),
        "rejected": as_dicts((Message("assistant", rejected.text),)),
        "chosen_probability": probability,
        "decided_by": decided_by,
        "source": comparison.source,
        "category": comparison.category,
        "principle": judgment.principle,
        "judged_first_better": judged,
        "first_is_chosen": first_wins,
        "forward_logit": judgment.forward.logit,
        "backward_logit": judgment.backward.logit,
        "forward_mass": judgment.forward.mass,
        "backward_mass": judgment.backward.mass,
        "label_way": judgment.forward.way,
        "orders_agree": judgment.agree,
        "chosen_cut_off": chosen.cut_off,
        "rejected_cut_off": rejected.cut_off,
        "comparison_template": judgment.template,
        "comparison_template_hash": judgment.template_hash,
        "journal_keys": list(item.keys),
    }


def write_dataset(folder: Path, exported: Exported, *, title: str, facts: Mapping[str, str]) -> Path:
    """`train.parquet` and its card `README.md` in the folder; returns the Parquet file.

    Raises:
        StoreError: nothing was kept.
    """
    path = folder / "train.parquet"
    write_rows(path, exported.rows)
    (folder / "README.md").write_text(_card(title, exported, facts))
    return path


def _card(title: str, exported: Exported, facts: Mapping[str, str]) -> str:
    left_out = {key: count for key, count in sorted(exported.counts.items()) if not key.endswith(": kept")}
    lines = [
        "---",
        "language: [en]",
        "tags: [solon, constitutional-ai, rlaif]",
        "configs:",
        "- config_name: default",
        "  data_files: train.parquet",
        "---",
        "",
        f"# {title}",
        "",
        "Made by Solon. Labels and revisions were written by a model, not by people.",
        "",
        *(f"- **{name}**: {value}" for name, value in facts.items()),
        f"- **rows kept**: {len(exported.rows)}",
        "",
        "## Left out, by reason",
        "",
        *([f"- {reason}: {count}" for reason, count in left_out.items()] or ["Nothing was left out."]),
        "",
    ]
    return "\n".join(lines)


def _conversation(conversation: Conversation, answer: str) -> list[MessageDict]:
    return as_dicts((*conversation, Message("assistant", answer)))
