"""From records to a report: an evaluation and the folders of its runs come in, the report's files go out.

The end of both ways to evaluate: a run's last stage, and `solon evaluate` over models or several runs.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path

from critique.model import Trajectory
from evaluation.figures.constitutional import constitutional
from evaluation.grader import AGREEMENT, grade
from evaluation.model import Evaluation
from evaluation.report.console import console_table
from evaluation.report.write import report, write_report
from pipeline.shards import read_manifest
from pipeline.store import iter_records, iter_rows
from solon.console import Reporter
from solon.run_folder import RunFolder


def report_on(found: Evaluation, sources: Sequence[RunFolder], out: Path, *, reporter: Reporter) -> Path:
    """Compute and write the report, show its table, and return the path of `report.md`.

    Critiques and labels are read from the runs' folders, where there are any.
    """
    feedback = constitutional(
        found,
        chain.from_iterable(_trajectories(source) for source in sources),
        chain.from_iterable(_preferences(source) for source in sources),
        grades=lambda conversation, response: grade(response, conversation[-1].content),
    )
    made = report(found, AGREEMENT, feedback)
    written = write_report(made, out)
    reporter.table(console_table(made.figures, made.grader, found.judges))
    reporter.say(f"report: {written.resolve()}")
    return written


def _trajectories(source: RunFolder) -> Iterator[Trajectory]:
    if _is_whole(source.trajectories):
        yield from iter_records(source.trajectories, Trajectory)


def _preferences(source: RunFolder) -> Iterator[Mapping[str, object]]:
    if _is_whole(source.preferences):
        yield from iter_rows(source.preferences)


def _is_whole(folder: Path) -> bool:
    manifest = read_manifest(folder)
    return manifest is not None and manifest.complete
