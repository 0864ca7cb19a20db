"""`solon annotate`: pairs of a run out, votes in, and what they come to, as a user runs it."""

import csv
from pathlib import Path

import pytest

from critique.model import Text
from labeling.model import Comparison, Judgment, Labelled, Reading, Vote
from pipeline.rows import InputError
from pipeline.store import write_records
from prompts.message import Message
from solon.annotate import voted_pairs
from solon.audit import audit_pairs
from solon.cli import main
from solon.init import write_starter
from solon.loaded_recipe import load_recipe
from solon.run_folder import RunFolder

READING = Reading(1.0, 0.9, True)


def labelled(number: int) -> Labelled:
    said = (Message("user", f"Question {number}?"),)
    pair = Comparison(f"row-{number}", "samples", said, Text("Good.", False, 1), Text("Bad.", False, 1))
    vote = Vote("p", "judge", False, READING, Reading(-1.0, 0.9, True), 0.7)
    return Labelled(pair, Judgment((vote,), 0.7, "first", "ab", "compare", "hash"))


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """The folder of a run whose pairs are labelled, and nothing else."""
    write_starter(tmp_path / "project")
    folder = RunFolder(tmp_path / "run")
    folder.path.mkdir()
    folder.recipe.write_bytes((tmp_path / "project" / "recipe.yaml").read_bytes())
    write_records(folder.comparisons, [labelled(number) for number in range(12)], Labelled)
    return folder.path


def solon(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str]:
    code = main(["annotate", *map(str, arguments)])
    said = capsys.readouterr()
    return code, said.out + said.err


def vote(path: Path, name: str, *, for_good: bool) -> None:
    """A person fills the file in: for the good response wherever it stands, or against it."""
    rows = list(csv.DictReader(path.open(newline="")))
    for row in rows:
        row["annotator"] = name
        row["vote"] = "1" if (row["response_1"] == "Good.") == for_good else "2"
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def test_votes_go_round(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, said = solon(capsys, run)
    assert (code, said.splitlines()[0]) == (0, "No votes yet of 12 pairs.")
    file = tmp_path / "votes.csv"
    assert solon(capsys, run, "--export", file, "--limit", 10)[0] == 0
    vote(file, "ann", for_good=True)
    code, said = solon(capsys, run, "--import", file)
    assert code == 0
    assert "10 votes of 1 people, on 10 of 12 pairs" in said
    assert "the judge is with them in 100 % of 10 decided pairs" in said
    vote(file, "bob", for_good=False)
    _, said = solon(capsys, run, "--import", file)
    assert "people agree in 0 % of 10 pairs" in said
    assert "10 left out: no majority for either response" in said
    assert voted_pairs(run).pairs == ()
    vote(file, "bob", for_good=True)
    _, said = solon(capsys, run, "--import", file)
    assert "10 votes from" in said
    assert "10 of them in place of earlier ones" in said
    assert (run / "votes-1.jsonl").read_text().count('"bob"') == 10
    assert len(voted_pairs(run).opinions) == 10
    _, again = solon(capsys, run)
    assert again in said


def test_votes_are_pairs_for_the_audit_of_the_runs_judge(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    loaded = load_recipe(tmp_path / "project" / "recipe.yaml", ["audit={}"])
    with pytest.raises(InputError, match="names no pairs that people labelled"):
        audit_pairs(loaded, RunFolder(run))
    file = tmp_path / "votes.csv"
    solon(capsys, run, "--export", file, "--limit", 10)
    vote(file, "ann", for_good=True)
    solon(capsys, run, "--import", file)
    given = audit_pairs(loaded, RunFolder(run))
    assert {(pair.source, pair.chosen, pair.rejected) for pair in given.pairs} == {("votes", "Good.", "Bad.")}
    assert (len(given.pairs), str(given.files[0])) == (10, "votes: 10 pairs (votes)")
    without = load_recipe(tmp_path / "project" / "recipe.yaml", ["audit={votes: false}"])
    with pytest.raises(InputError):
        audit_pairs(without, RunFolder(run))


def test_what_cannot_be_exported_or_imported_is_told(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "votes.csv"
    assert solon(capsys, run, "--export", file)[0] == 0
    code, said = solon(capsys, run, "--export", file)
    assert (code, "is there already" in said) == (2, True)
    code, said = solon(capsys, run, "--import", file)
    assert (code, "no votes: 12 rows without one" in said) == (2, True)
    code, said = solon(capsys, run, "--import", tmp_path / "vote.csv")
    assert (code, "did you mean 'votes.csv'?" in said) == (2, True)
    code, said = solon(capsys, tmp_path / "project", "--limit", 3)
    assert (code, "to --export" in said) == (2, True)
    code, said = solon(capsys, tmp_path, "--export", file)
    assert (code, "holds no run" in said) == (2, True)
    assert not (run / "votes.jsonl").exists()


def test_a_run_that_has_no_labels_yet_is_told_what_makes_them(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (RunFolder(run).comparisons / "shards.json").unlink()
    code, said = solon(capsys, run, "--export", tmp_path / "votes.csv")
    assert (code, "run the stage that makes it first" in said) == (1, True)
