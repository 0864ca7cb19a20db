"""How far each stage of a run is, in one small file that anybody may read while the run works.

In: what the stages count. Out: `progress.json` in the run folder, written about once a second and
whenever a stage begins or ends. It also remembers what each finished stage was made from, so that a run whose
recipe was changed knows which stages that touches. Answers that came after the last writing are counted from
the journal.
"""

import json
import os
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal

from pydantic import TypeAdapter, ValidationError

from pipeline.context import Tally
from pipeline.journal import Journal, read_payloads
from pipeline.shards import writable, write_whole

EVERY_S = 1.0

State = Literal["running", "stopped", "failed", "done"]


@dataclass(slots=True)
class StageProgress:
    """One stage, or one model's part of the evaluation, over all sittings.

    `done` rows (or training steps) of `total`; `failed` rows by reason; `begun_with` were done when this
    sitting began, `since` (a Unix time); `seconds` are those of earlier sittings. `made_from` is a digest of
    everything that the output depends on, `changed` whether it was another one before; `journal_bytes` the
    journal's length when this was counted.
    """

    name: str
    state: State = "running"
    made_from: str = ""
    done: int = 0
    total: int | None = None
    failed: dict[str, int] = field(default_factory=dict)
    tally: Tally = field(default_factory=Tally)
    seconds: float = 0.0
    since: float = 0.0
    begun_with: int = 0
    updated: float = 0.0
    journal_bytes: int = 0
    note: str = ""
    changed: bool = False

    @property
    def sitting_s(self) -> float:
        """Seconds of the sitting that goes on, or of the last one, as far as is known."""
        return max(self.updated - self.since, 0.0)

    @property
    def left_s(self) -> float | None:
        """Seconds to go at this sitting's pace; None where it cannot be told yet."""
        done = self.done - self.begun_with
        if self.total is None or done <= 0 or self.sitting_s <= 0:
            return None
        return (self.total - self.done) * self.sitting_s / done


class Progress:
    """The stages of a run folder, by name, in the order in which they began."""

    def __init__(self, path: Path, clock: Callable[[], float] = time.time) -> None:
        self.path = path
        self.stages = read_progress(path)
        self._clock = clock
        self._journal: Journal | None = None

    def go_on(self, journal: Journal) -> None:
        """Count what a killed sitting was told after it last wrote; from now on this one writes."""
        recover(self.stages, journal.path)
        self._journal = journal

    def begin(
        self, name: str, made_from: str, *, total: int | None = None, done: int = 0, asks: bool = False
    ) -> StageProgress:
        """A stage starts or goes on; what it spent in earlier sittings stays counted.

        `asks` says that the journal's answers from now on are this stage's.
        """
        stage = self.stages.setdefault(name, StageProgress(name))
        now = self._clock()
        # Checkpoints of a sitting that was stopped twice belong to the inputs before both.
        stage.changed = stage.made_from not in ("", made_from) or (stage.changed and stage.state != "done")
        stage.state, stage.made_from, stage.total, stage.note = "running", made_from, total, ""
        stage.done = stage.begun_with = done
        stage.since = stage.updated = now
        stage.journal_bytes = self._journal.size if asks and self._journal else 0
        self.write()
        return stage

    def tick(self, stage: StageProgress) -> None:
        """Write, if it is a second since the last time."""
        if self._clock() - stage.updated >= EVERY_S:
            self._touch(stage)
            self.write()

    def end(self, stage: StageProgress, state: State) -> None:
        """The stage is done, or stopped; this is on the disk when the call returns."""
        self._touch(stage)
        stage.seconds += stage.sitting_s
        stage.since = stage.updated
        stage.state = state
        # Where the disk is full, what went wrong has been told; only a finished stage must be remembered.
        with writable(self.path) if state == "done" else suppress(OSError):
            write_whole(self.path, self._content())

    def is_done(self, name: str, made_from: str) -> bool:
        """Whether the stage was finished, from exactly these inputs."""
        stage = self.stages.get(name)
        return stage is not None and stage.state == "done" and stage.made_from == made_from

    def write(self) -> None:
        """Whole, but not synced: a power cut costs a second of counting, which the journal makes good."""
        partial = self.path.with_name(f".{self.path.name}.{os.getpid()}")
        with suppress(OSError):
            partial.write_bytes(self._content())
            partial.replace(self.path)

    def _touch(self, stage: StageProgress) -> None:
        stage.updated = self._clock()
        stage.journal_bytes = self._journal.size if self._journal else 0

    def _content(self) -> bytes:
        return json.dumps([asdict(stage) for stage in self.stages.values()], indent=1).encode() + b"\n"


def read_progress(path: Path) -> dict[str, StageProgress]:
    """The stages as they were last written; none where nothing can be read."""
    try:
        stages = TypeAdapter(list[StageProgress]).validate_json(path.read_bytes())
    except (OSError, ValidationError):
        return {}
    return {stage.name: stage for stage in stages}


def recover(stages: dict[str, StageProgress], journal: Path) -> None:
    """Stages that a killed process left running are stopped, with all that they were told counted."""
    for stage in stages.values():
        if stage.state == "running":
            count_rest(stage, journal)
            stage.seconds += stage.sitting_s
            stage.since = stage.updated
            stage.state = "stopped"


def cached_share(tally: Tally) -> str:
    """How much of the prompts was not computed, in words to stand behind their tokens; "" for nothing."""
    if not tally.cached_tokens or not tally.prompt_tokens:
        return ""
    return f" ({100 * tally.cached_tokens / tally.prompt_tokens:.0f} % of them cached)"


def count_rest(stage: StageProgress, journal: Path) -> None:
    """Add the answers that came after the stage was last written."""
    if stage.journal_bytes and journal.is_file():
        for payload in read_payloads(journal, stage.journal_bytes):
            stage.tally.count(payload)
