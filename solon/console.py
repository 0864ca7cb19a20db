"""What a run shows while it works: live bars on a terminal, a plain log anywhere else.

In: what the stages say through a `Reporter`. Out: lines for people, never data. `reporter()` chooses by where
the output goes. Text is shown as it is: nothing in it is read as markup.
"""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Protocol, TextIO

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.progress import Progress, TaskID

EVERY_S = 10.0
"""Seconds between two lines of the plain log; a stage that takes long writes less often."""

EVERY_SHARE = 0.1
"""A line of the plain log is also written after this share of a stage, if it took a second or more."""

_AT_LEAST_S = 1.0

_WIDTH = 100


class StageProgress(Protocol):
    """How far one stage is."""

    def advance(self, count: int = 1) -> None:
        """This many more are done."""
        ...

    def move_to(self, done: int, total: int | None = None) -> None:
        """So many are done in all; `total` where it is only known now."""
        ...

    def note(self, text: str) -> None:
        """A few words beside the bar, in place of the last ones."""
        ...


class Reporter(Protocol):
    """Where stages say what they do; below are one for terminals and one for logs."""

    def stage(self, name: str, *, total: int | None = None) -> AbstractContextManager[StageProgress]:
        """A stage of `total` steps, from entering the context to leaving it."""
        ...

    def say(self, text: str) -> None: ...

    def table(self, renderable: "RenderableType") -> None:
        """Anything that rich can draw."""
        ...


def reporter() -> Reporter:
    """For a person where standard output is a terminal, else for a log."""
    return TerminalReporter() if sys.stdout.isatty() else PlainReporter()


class TerminalReporter:
    """Bars with counts, rates and time left."""

    def __init__(self, console: "Console | None" = None) -> None:
        from rich.console import Console

        self._console = console or Console()

    @contextmanager
    def stage(self, name: str, *, total: int | None = None) -> Iterator[StageProgress]:
        with _bars(self._console) as bars:
            yield _Bar(bars, bars.add_task(name, total=total, note=""))

    def say(self, text: str) -> None:
        self._console.print(text, markup=False, highlight=False)

    def table(self, renderable: "RenderableType") -> None:
        self._console.print(renderable)


@dataclass(frozen=True, slots=True)
class _Bar:
    bars: "Progress"
    task: "TaskID"

    def advance(self, count: int = 1) -> None:
        self.bars.advance(self.task, count)

    def move_to(self, done: int, total: int | None = None) -> None:
        if total is not None:
            self.bars.update(self.task, total=total)
        self.bars.update(self.task, completed=done)

    def note(self, text: str) -> None:
        self.bars.update(self.task, note=text)


def _bars(console: "Console") -> "Progress":
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        ProgressColumn,
        Task,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )
    from rich.text import Text

    class Rate(ProgressColumn):
        def render(self, task: Task) -> Text:
            return Text(_rate(task.finished_speed or task.speed or 0.0))

    class Note(ProgressColumn):
        def render(self, task: Task) -> Text:
            return Text(task.fields["note"], style="dim", overflow="ellipsis", no_wrap=True)

    name = TextColumn("{task.description:<10}", markup=False)
    columns = (name, BarColumn(), MofNCompleteColumn(), Rate(), TimeElapsedColumn(), TimeRemainingColumn())
    return Progress(*columns, Note(), console=console)


class PlainReporter:
    """Lines with the time of day; a stage says how far it is every ten seconds or tenth of the way."""

    def __init__(
        self,
        file: TextIO | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = datetime.now,
    ) -> None:
        self._file = file or sys.stdout
        self._clock = clock
        self._now = now

    @contextmanager
    def stage(self, name: str, *, total: int | None = None) -> Iterator[StageProgress]:
        log = _Log(name, total, self._clock, self.say)
        self.say(f"{name}: started" + (f", {total} to do" if total is not None else ""))
        try:
            yield log
        except BaseException:
            self.say(f"{name}: stopped after {log.done}")
            raise
        self.say(f"{name}: done, {log.done} in {duration(self._clock() - log.started)}{log.noted()}")

    def say(self, text: str) -> None:
        clock = f"{self._now():%H:%M:%S}"
        for line in text.split("\n"):
            self._file.write(f"{clock} {line}".rstrip() + "\n")
        self._file.flush()

    def table(self, renderable: "RenderableType") -> None:
        from rich.console import Console

        # A log has no width of its own; rich would take 80 columns and fold the table.
        Console(file=self._file, width=_WIDTH, force_terminal=False).print(renderable)
        self._file.flush()


@dataclass(slots=True)
class _Log:
    """Counts, and says so now and then; rates are those since the line before.

    The first count tells no rate: before it lie what an earlier sitting did and a wait for many rows at once.
    """

    name: str
    total: int | None
    clock: Callable[[], float]
    say: Callable[[str], None]
    done: int = 0
    said_done: int = 0
    started: float = 0.0
    said_at: float = 0.0
    text: str = field(default="")
    counted: bool = False

    def __post_init__(self) -> None:
        self.started = self.said_at = self.clock()

    def advance(self, count: int = 1) -> None:
        self.move_to(self.done + count)

    def move_to(self, done: int, total: int | None = None) -> None:
        self.done, self.total = done, self.total if total is None else total
        if self._is_due():
            self._say()
        elif not self.counted:
            self.said_done, self.said_at = self.done, self.clock()
        self.counted = True

    def note(self, text: str) -> None:
        self.text = text

    def noted(self) -> str:
        return f"; {self.text}" if self.text else ""

    def _is_due(self) -> bool:
        now = self.clock()
        waited = now - self.said_at
        is_far = self.total is not None and self.done - self.said_done >= EVERY_SHARE * self.total
        # An hour's stage writes every three minutes, not three hundred and sixty times.
        is_long = waited >= max(EVERY_S, (now - self.started) / 20)
        return self.done != self.total and (is_long or (is_far and waited >= _AT_LEAST_S))

    def _say(self) -> None:
        now = self.clock()
        rate = (self.done - self.said_done) / max(now - self.said_at, 1e-9) if self.counted else 0.0
        told = f", {_rate(rate)}{self._left(rate)}" if rate > 0 else ""
        self.say(f"{self.name}: {self._count()}{told}{self.noted()}")
        self.said_done, self.said_at = self.done, now

    def _count(self) -> str:
        if not self.total:
            return str(self.done)
        return f"{self.done} of {self.total} ({100 * self.done // self.total} %)"

    def _left(self, rate: float) -> str:
        if self.total is None:
            return ""
        return f", about {duration((self.total - self.done) / rate)} left"


def _rate(per_second: float) -> str:
    """`12.3/s`, and for what is slower than one a second the seconds of one."""
    if per_second <= 0:
        return ""
    return f"{per_second:.1f}/s" if per_second >= 1 else f"{1 / per_second:.1f} s each"


def duration(seconds: float) -> str:
    """`1.4 s`, `42 s`, `3:07` minutes, `1:02:45` hours."""
    if seconds < 10:
        return f"{max(seconds, 0.0):.1f} s"
    if seconds < 60:
        return f"{seconds:.0f} s"
    return str(timedelta(seconds=round(seconds))).removeprefix("0:").removeprefix("0")
