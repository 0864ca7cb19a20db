"""A dataset on disk: rows that know where they come from, in Parquet, with a card.

In: rows as `sft`, `preferences`, `unpaired` and `ranked` make them. Out: a folder that loads with
`datasets.load_dataset(FOLDER)` and goes straight into TRL, and a card that counts what was left out.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Generic, TypedDict, TypeVar

from labeling.markdown import cell
from pipeline.store import write_records

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


ExportedRow = TypeVar("ExportedRow", bound=ProvenanceColumns)


@dataclass(frozen=True, slots=True)
class Exported(Generic[ExportedRow]):
    """A dataset's rows, made as they are asked for, and how many answers were kept or left out, by reason.

    `counts` is whole once the rows have been gone through.
    """

    kind: type[ExportedRow]
    rows: Iterator[ExportedRow]
    counts: Counter[str] = field(default_factory=Counter)


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
