"""What a run will cost, as `solon estimate` found out: the figures, and how they are kept and compared.

In: a sample's counts, scaled up to all rows. Out: `estimate.json` beside the run folder, a table for people,
and at the end of the run how far off the figures were.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from pipeline.disk import write_whole
from solon.progress import StageProgress
from solon.run_folder import RunFolder, estimate_folder

FILE = "estimate.json"


@dataclass(frozen=True, slots=True)
class StageEstimate:
    """One stage's figures for all `rows`, from a `sample` of them; seconds are those of this engine now.

    `again` are tokens of the sample that the run finds in the sample's journal and need not ask for.
    """

    name: str
    rows: int
    sample: int
    calls: float
    prompt_tokens: float
    completion_tokens: float
    seconds: float
    again: int = 0

    @property
    def tokens(self) -> float:
        return self.prompt_tokens + self.completion_tokens


@dataclass(frozen=True, slots=True)
class Prices:
    """Money for a million tokens, in whichever currency."""

    prompt: float = 0.0
    completion: float = 0.0

    def of(self, stage: StageEstimate) -> float:
        return (stage.prompt_tokens * self.prompt + stage.completion_tokens * self.completion) / 1e6


def write_estimate(out: Path, stages: list[StageEstimate]) -> None:
    """Keep the figures for the run that follows."""
    folder = estimate_folder(out)
    write_whole(folder / FILE, json.dumps([asdict(stage) for stage in stages], indent=1).encode() + b"\n")


def read_estimate(out: Path) -> list[StageEstimate]:
    """The figures that were kept; none where no estimate was made."""
    try:
        return TypeAdapter(list[StageEstimate]).validate_json((estimate_folder(out) / FILE).read_bytes())
    except (OSError, ValidationError):
        return []


def compared(stages: Mapping[str, StageProgress], folder: RunFolder) -> str:
    """The estimate's tokens against the real ones, over the stages that are done; "" without an estimate."""
    pairs = [
        (estimate, stages[estimate.name])
        for estimate in read_estimate(folder.path)
        if estimate.name in stages and stages[estimate.name].state == "done"
    ]
    estimated = sum(estimate.tokens for estimate, _ in pairs)
    spent = sum(stage.tally.prompt_tokens + stage.tally.completion_tokens for _, stage in pairs)
    real = spent + sum(estimate.again for estimate, _ in pairs)
    if not estimated or not real:
        return ""
    return (
        f"estimate: {estimated:.0f} tokens were estimated for {', '.join(e.name for e, _ in pairs)}, "
        f"{real} were spent ({100 * (estimated - real) / real:+.0f} %)"
    )
