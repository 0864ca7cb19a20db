"""Progress: what a sitting did is added to the ones before, and a killed one's last answers are counted."""

from pathlib import Path

import pytest

from pipeline.context import Tally
from pipeline.journal import Journal
from pipeline.lock import Holder
from solon.progress import Progress, StageProgress, cached_share, read_progress
from solon.status import status

ANSWER = {"text": "ok", "prompt_tokens": 5, "completion_tokens": 2, "cached_tokens": 4}


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def keys(count: int) -> list[str]:
    return [f"{number:032x}" for number in range(count)]


def ask(stage: StageProgress, journal: Journal, key: str) -> None:
    journal.put(key, ANSWER)
    stage.tally.count(ANSWER)


def test_seconds_and_counts_go_on_over_sittings(tmp_path: Path) -> None:
    clock = Clock()
    for sitting in range(2):
        progress = Progress(tmp_path / "progress.json", clock)
        stage = progress.begin("critique", "inputs", total=10, done=sitting)
        stage.tally.count(ANSWER)
        clock.now += 7
        progress.end(stage, "stopped" if sitting == 0 else "done")
        clock.now += 100
    stage = read_progress(tmp_path / "progress.json")["critique"]
    assert (stage.seconds, stage.tally.asked, stage.tally.prompt_tokens, stage.state) == (14, 2, 10, "done")


def test_a_stage_is_done_only_for_the_inputs_it_was_made_from(tmp_path: Path) -> None:
    progress = Progress(tmp_path / "progress.json", Clock())
    stage = progress.begin("critique", "inputs")
    assert not progress.is_done("critique", "inputs")
    progress.end(stage, "done")
    assert progress.is_done("critique", "inputs")
    assert not progress.is_done("critique", "others")
    assert not progress.is_done("label", "inputs")
    assert not progress.begin("label", "inputs").changed
    assert progress.begin("critique", "others").changed


def test_it_is_written_about_once_a_second(tmp_path: Path) -> None:
    clock = Clock()
    progress = Progress(tmp_path / "progress.json", clock)
    stage = progress.begin("critique", "inputs", total=10)
    stage.done = 3
    progress.tick(stage)
    assert read_progress(tmp_path / "progress.json")["critique"].done == 0
    clock.now += 1
    progress.tick(stage)
    assert read_progress(tmp_path / "progress.json")["critique"].done == 3
    assert stage.left_s == 7 * 1 / 3


@pytest.mark.parametrize("ticks", [True, False])
def test_answers_of_a_killed_sitting_are_counted_from_the_journal(tmp_path: Path, ticks: bool) -> None:
    clock = Clock()
    with Journal(tmp_path / "answers.log") as journal:
        progress = Progress(tmp_path / "progress.json", clock)
        progress.go_on(journal)
        journal.put("f" * 32, ANSWER)  # an earlier stage's
        progress.begin("whole", "inputs")
        stage = progress.begin("critique", "inputs", total=10, asks=True)
        first, second, third = keys(3)
        ask(stage, journal, first)
        if ticks:
            clock.now += 2
            progress.tick(stage)
        ask(stage, journal, second)
        ask(stage, journal, third)
    with Journal(tmp_path / "answers.log") as journal:
        progress = Progress(tmp_path / "progress.json", clock)
        progress.go_on(journal)
    stage = progress.stages["critique"]
    assert (stage.state, stage.tally.asked, stage.tally.prompt_tokens) == ("stopped", 3, 15)
    assert stage.seconds == (2 if ticks else 0)
    assert progress.stages["whole"].tally.asked == 0


def test_a_file_that_cannot_be_read_is_no_progress(tmp_path: Path) -> None:
    (tmp_path / "progress.json").write_text("[{")
    assert read_progress(tmp_path / "progress.json") == {}


def test_status_tells_failures_tokens_and_what_was_cached(tmp_path: Path) -> None:
    (tmp_path / "recipe.yaml").write_text("name: x\n")
    assert "not begun yet" in status(tmp_path)
    clock = Clock()
    progress = Progress(tmp_path / "progress.json", clock)
    stage = progress.begin("critique", "inputs", total=1200, done=1200)
    stage.tally.count(ANSWER)
    stage.failed = {"timeout": 2, "too_long": 1}
    clock.now += 90
    progress.end(stage, "done")
    assert status(tmp_path, clock=clock).splitlines() == [
        f"{tmp_path}: nothing is running; every stage that was begun is done. 7 tokens spent.",
        "  critique         done     1,200 of 1,200, 1:30",
        "    1 calls asked, 0 found; 5 prompt tokens (80 % of them cached), 2 completion tokens",
        "    3 failed: timeout 2, too_long 1",
    ]


def test_a_share_is_told_only_where_something_was_cached() -> None:
    assert cached_share(Tally(asked=1, prompt_tokens=8, cached_tokens=6)) == " (75 % of them cached)"
    assert cached_share(Tally(asked=1, prompt_tokens=8, cached_tokens=0)) == ""
    assert cached_share(Tally(asked=1, prompt_tokens=8)) == ""


def test_a_holder_on_another_host_may_or_may_not_be_running() -> None:
    assert Holder(1, "elsewhere.example", "now").is_running is None
