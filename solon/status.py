"""How a run is doing, read from outside: it may be working, stopped, killed or finished.

In: a run folder. Out: a text for people. Nothing is locked and nothing written, so that it may be asked as
often as one likes.
"""

import time
from collections.abc import Callable, Mapping
from pathlib import Path

from pipeline.journal import lock_file
from pipeline.lock import Holder, read_holder
from solon.console import duration
from solon.progress import StageProgress, cached_share, count_rest, read_progress, recover
from solon.run_folder import RunFolder


class StatusError(Exception):
    """The folder holds no run; the message says what to do next."""


def status(run: Path, *, clock: Callable[[], float] = time.time) -> str:
    """A line on the whole run, then a few on each stage.

    Raises:
        StatusError: there is no run in the folder.
    """
    folder = RunFolder(run)
    if not folder.recipe.is_file():
        raise StatusError(f"{run}: holds no run\n  next: name a run's folder, such as runs/<name>")
    stages = read_progress(folder.progress)
    holder = read_holder(lock_file(folder.answers))
    is_running = holder is not None and holder.is_running is not False
    if is_running:
        for stage in stages.values():
            _bring_up_to_date(stage, folder, clock())
    else:
        recover(stages, folder.answers)
    lines = [_heading(run, holder if is_running else None, stages)]
    for stage in stages.values():
        lines += _lines(stage)
    return "\n".join(lines) + "\n"


def _bring_up_to_date(stage: StageProgress, folder: RunFolder, now: float) -> None:
    if stage.state == "running":
        count_rest(stage, folder.answers)
        stage.updated = max(stage.updated, now)


def _heading(run: Path, holder: Holder | None, stages: Mapping[str, StageProgress]) -> str:
    tokens = sum(stage.tally.prompt_tokens + stage.tally.completion_tokens for stage in stages.values())
    if holder is not None:
        state = f"running: {holder}"
    elif stages and all(stage.state == "done" for stage in stages.values()):
        state = "nothing is running; every stage that was begun is done"
    else:
        state = "stopped: the command that began it goes on where it stood" if stages else "not begun yet"
    return f"{run}: {state}. {tokens:,} tokens spent."


def _lines(stage: StageProgress) -> list[str]:
    count = f"{stage.done:,} of {stage.total:,}" if stage.total is not None else ""
    seconds = duration(stage.seconds + (stage.sitting_s if stage.state == "running" else 0.0))
    left = stage.left_s if stage.state == "running" else None
    parts = [count, seconds, f"about {duration(left)} left" if left is not None else "", stage.note]
    lines = [f"  {stage.name:<16} {stage.state:<8} {', '.join(filter(None, parts))}"]
    tally = stage.tally
    if tally.asked or tally.found:
        lines.append(
            f"    {tally.asked:,} calls asked, {tally.found:,} found; {tally.prompt_tokens:,} prompt tokens"
            f"{cached_share(tally)}, {tally.completion_tokens:,} completion tokens"
        )
    if stage.failed:
        reasons = ", ".join(f"{reason} {count}" for reason, count in sorted(stage.failed.items()))
        lines.append(f"    {sum(stage.failed.values()):,} failed: {reasons}")
    return lines
