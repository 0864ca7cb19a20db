"""The reporters: bars on a terminal, and in a log a line now and then with counts, rates and time left."""

import io
from datetime import datetime

import pytest
from rich.console import Console
from rich.table import Table

from solon.console import PlainReporter, TerminalReporter


class Watch:
    """A clock that stands still until it is told to go on."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def watch() -> Watch:
    return Watch()


@pytest.fixture
def log() -> io.StringIO:
    return io.StringIO()


@pytest.fixture
def plain(log: io.StringIO, watch: Watch) -> PlainReporter:
    return PlainReporter(log, clock=watch, now=lambda: datetime(2026, 1, 2, 3, 4, 5))


def test_a_stage_says_how_far_it_is_every_tenth_of_the_way(
    plain: PlainReporter, log: io.StringIO, watch: Watch
) -> None:
    with plain.stage("critique", total=40) as progress:
        for _ in range(40):
            watch.seconds += 0.5
            progress.advance()
    lines = log.getvalue().splitlines()
    assert lines[0] == "03:04:05 critique: started, 40 to do"
    assert lines[1] == "03:04:05 critique: 5 of 40 (12 %), 2.0/s, about 18 s left"
    assert len(lines) == 11
    assert lines[-1] == "03:04:05 critique: done, 40 in 20 s"


def test_a_slow_stage_says_so_every_ten_seconds(plain: PlainReporter, log: io.StringIO, watch: Watch) -> None:
    with plain.stage("label", total=1000) as progress:
        for _ in range(8):
            watch.seconds += 5
            progress.advance()
        progress.note("loss 0.5")
    lines = log.getvalue().splitlines()
    assert lines[1] == "03:04:05 label: 3 of 1000 (0 %), 5.0 s each, about 1:23:05 left"
    assert len(lines) == 5
    assert lines[-1] == "03:04:05 label: done, 8 in 40 s; loss 0.5"


def test_the_first_count_tells_no_rate(plain: PlainReporter, log: io.StringIO, watch: Watch) -> None:
    """Rows are answered together: the first is done after a long wait, the others right behind it."""
    with plain.stage("critique", total=1000) as progress:
        watch.seconds += 500
        for _ in range(4):
            progress.advance()
        watch.seconds += 60
        progress.advance(60)
    lines = log.getvalue().splitlines()
    assert lines[1] == "03:04:05 critique: 1 of 1000 (0 %)"
    assert lines[2] == "03:04:05 critique: 64 of 1000 (6 %), 1.1/s, about 14:51 left"


def test_what_an_earlier_sitting_did_is_no_pace(plain: PlainReporter, log: io.StringIO, watch: Watch) -> None:
    with plain.stage("critique", total=1000) as progress:
        progress.move_to(500)
        watch.seconds += 10
        progress.advance(5)
    assert (
        log.getvalue().splitlines()[1]
        == "03:04:05 critique: 505 of 1000 (50 %), 2.0 s each, about 16:30 left"
    )


def test_a_long_stage_writes_less_often(plain: PlainReporter, log: io.StringIO, watch: Watch) -> None:
    with plain.stage("label", total=10_000) as progress:
        for _ in range(360):
            watch.seconds += 10
            progress.advance()
    assert 30 < len(log.getvalue().splitlines()) < 90


def test_a_quick_stage_says_only_that_it_is_done(plain: PlainReporter, log: io.StringIO) -> None:
    with plain.stage("label", total=100) as progress:
        for _ in range(100):
            progress.advance()
    assert len(log.getvalue().splitlines()) == 2


def test_a_total_may_be_known_late_or_never(plain: PlainReporter, log: io.StringIO, watch: Watch) -> None:
    with plain.stage("sft") as progress:
        watch.seconds += 10
        progress.move_to(5)
        watch.seconds += 10
        progress.move_to(10, 20)
    lines = log.getvalue().splitlines()
    assert lines[0] == "03:04:05 sft: started"
    assert lines[1] == "03:04:05 sft: 5"
    assert lines[2] == "03:04:05 sft: 10 of 20 (50 %), 2.0 s each, about 20 s left"


def break_off(reporter: PlainReporter) -> None:
    with reporter.stage("sft", total=3) as progress:
        progress.advance()
        raise KeyboardInterrupt


def test_a_stage_that_breaks_off_says_where(plain: PlainReporter, log: io.StringIO) -> None:
    with pytest.raises(KeyboardInterrupt):
        break_off(plain)
    assert log.getvalue().splitlines()[-1] == "03:04:05 sft: stopped after 1"


def test_each_line_of_a_text_has_its_time(plain: PlainReporter, log: io.StringIO) -> None:
    plain.say("one\n\n[b]two[/b]")
    assert log.getvalue() == "03:04:05 one\n03:04:05\n03:04:05 [b]two[/b]\n"


def test_a_table_goes_to_the_log_without_colours(plain: PlainReporter, log: io.StringIO) -> None:
    table = Table("model")
    table.add_row("[red]base")
    plain.table(table)
    assert "base" in log.getvalue()
    assert "\x1b" not in log.getvalue()


def test_a_terminal_shows_count_rate_and_note_as_they_are() -> None:
    screen = io.StringIO()
    reporter = TerminalReporter(Console(file=screen, force_terminal=True, width=120))
    with reporter.stage("[b]critique", total=4) as progress:
        progress.move_to(2, 4)
        progress.note("[i]two")
        progress.advance(2)
    reporter.say("[u]done")
    shown = screen.getvalue()
    assert "[b]critique" in shown
    assert "4/4" in shown
    assert "[i]two" in shown
    assert "[u]done" in shown
