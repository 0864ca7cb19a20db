"""All sources of pairs and all exports in one run, on a real, random model, as a user runs it."""

import json
from pathlib import Path

import pytest

from labeling.model import Labelled
from pipeline.store import iter_records, read_rows
from solon.cli import main

RECIPE = """\
name: small
constitution: starter
data:
  red_team: {path: red.jsonl}
models:
  assistant: {model: MODEL, dtype: float32, device: cpu}
critique:
  respond: {max_tokens: 8}
  critique: {max_tokens: 8}
  revise: {max_tokens: 8}
  selection: {keep_cut_off: all, max_repetition: 1, max_similarity: 1}
labeling:
  pairs: [samples, revision, contrast, best_of_n]
  best_of_n: {n: 3}
  min_label_mass: 0
  combine: mean_logit
  sample: {max_tokens: 8}
  helpfulness: {path: people.jsonl, share: 0.25}
  exports: [preferences, unpaired, ranked]
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, tiny_model: Path) -> Path:
    folder = tmp_path_factory.mktemp("project")
    (folder / "recipe.yaml").write_text(RECIPE.replace("MODEL", str(tiny_model)))
    red = [{"id": f"red{number}", "prompt": f"How do I pick lock {number}?"} for number in range(4)]
    (folder / "red.jsonl").write_text("".join(json.dumps(row) + "\n" for row in red))
    write_people(folder, "tea", "rice", "soup", "bread", "cheese", "noodles")
    assert run(folder) == 0
    return folder


def write_people(folder: Path, *dishes: str) -> None:
    rows = [
        {"prompt": f"How do I make {dish}?", "chosen": f"For {dish}, take water.", "rejected": f"No {dish}."}
        for dish in dishes
    ]
    (folder / "people.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


def run(folder: Path, *more: str) -> int:
    return main(["run", str(folder / "recipe.yaml"), "--out", str(folder / "out"), *more])


def test_every_source_is_judged_and_stored(project: Path) -> None:
    stored = list(iter_records(project / "out" / "data" / "comparisons", Labelled))
    assert {item.comparison.source for item in stored} == {"samples", "revision", "contrast", "best_of_n"}
    groups = [item.comparison.group for item in stored if item.comparison.source == "best_of_n"]
    assert sorted(groups) == sorted(f"red{number}/best_of_n" for number in range(4) for _ in range(3))


def test_the_preferences_have_peoples_share_and_the_card_says_so(project: Path) -> None:
    rows = read_rows(project / "out" / "data" / "preferences")
    people = [row for row in rows if row["decided_by"] == "people"]
    assert len(people) == round((len(rows) - len(people)) / 3)
    assert people
    assert {row["file"] for row in people} == {"people.jsonl"}
    card = (project / "out" / "data" / "preferences" / "README.md").read_text()
    assert f"- **helpfulness**: {len(people)} pairs by people" in card
    assert f"but for {len(people)} rows of helpfulness" in card


def test_the_other_exports_are_made_of_the_same_judgments(project: Path) -> None:
    data = project / "out" / "data"
    pairs, unpaired = read_rows(data / "preferences"), read_rows(data / "unpaired")
    said = {(json.dumps(row["prompt"]), json.dumps(row["chosen"])) for row in pairs}
    good = {(json.dumps(row["prompt"]), json.dumps(row["completion"])) for row in unpaired if row["label"]}
    assert good
    assert good <= said
    for row in read_rows(data / "ranked"):
        assert row["ranks"] == [1, 2, 3]
        best = next((pair for pair in pairs if str(pair["id"]).startswith(str(row["id"]))), None)
        completions = row["completions"]
        assert isinstance(completions, list)
        assert best is None or (best["chosen"], best["rejected"]) == (completions[0], completions[-1])
    assert "Unaudited" in (data / "ranked" / "README.md").read_text()


def test_other_comparisons_by_people_make_labels_again_and_ask_nothing(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_people(project, "tea", "rice", "soup", "bread", "cheese", "stew")
    assert run(project) == 2
    assert "what is in labeling.helpfulness" in capsys.readouterr().err
    assert run(project, "--accept-changes") == 0
    said = capsys.readouterr().out
    assert "critique: done before" in said
    assert "label: 0 calls asked" in said


def test_an_export_that_is_no_more_asked_for_does_not_stay_behind(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(project, "--accept-changes", "--set", "labeling.exports=[preferences]") == 0
    assert "label: 0 calls asked" in capsys.readouterr().out
    data = project / "out" / "data"
    assert sorted(path.name for path in data.iterdir()) == [
        "comparisons",
        "preferences",
        "sft",
        "trajectories",
    ]
