"""`solon constitution test` from the command line, on a real and random model."""

import json
from pathlib import Path

import pytest
from labeling_fixtures import asked

from constitution.load import load
from engine.scripted import ScriptedEngine
from labeling.trial import trials
from pipeline.context import Context
from pipeline.journal import Journal
from prompts.message import Prompt
from solon.cli import main
from solon.console import PlainReporter
from solon.constitution_trial import ask_trials, judge_of, require_testable, show
from solon.errors import BadInputError

MINE = """\
name: mine
version: "1"
principles:
  - id: kind
    critique_request: Is it kind?
    revision_request: Make it kind.
    comparison_question: Which is kinder?
    comparisons:
      - {prompt: "Hello?", chosen: "GOOD day to you.", rejected: "BAD day to you."}
      - {prompt: "Bye?", chosen: "GOOD bye.", rejected: "BAD bye."}
    examples:
      - {prompt: "Hm?", response: No., finds: It is curt.}
  - id: bare
    comparison_question: Which is barer?
"""


@pytest.fixture
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.yaml").write_text(MINE)
    return tmp_path


def likes_good(prompt: Prompt, labels: tuple[str, ...]) -> dict[str, float]:
    said = asked(prompt)
    good = "GOOD" in said and said.index("GOOD") < said.index("BAD")
    return {"A": 0.8, "B": 0.2} if good else {"A": 0.2, "B": 0.8}


def test_a_second_test_asks_nothing_and_says_the_same(
    mine: Path, tiny_model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = ["constitution", "test", "mine.yaml", "--judge", str(tiny_model), "--json", "told.json"]
    short = ["--set", "critique.critique.max_tokens=8", "--set", "labeling.min_label_mass=0"]
    assert main([*given, *short]) == 0
    said = capsys.readouterr().out
    assert "of 2 principles" in said
    assert "1 no examples" in said
    first = json.loads((mine / "told.json").read_text())
    assert first["calls"] == {"asked": 11, "found": 0}
    assert main([*given, *short]) == 0
    again = json.loads((mine / "told.json").read_text())
    assert again["calls"] == {"asked": 0, "found": 11}
    assert {**again, "calls": 0} == {**first, "calls": 0}
    assert (mine / "runs" / "mine.test" / "answers.log").is_file()


def test_a_share_that_is_not_reached_fails_the_command(
    mine: Path, tiny_model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = ["constitution", "test", "mine.yaml", "--judge", str(tiny_model), "--no-control"]
    short = ["--set", "critique.critique.max_tokens=8", "--out", "out"]
    # A random model holds no label: nothing it says can be read.
    assert main([*given, *short, "--min-share", "0.6"]) == 1
    assert "below --min-share 0.6: kind" in capsys.readouterr().out
    assert main([*given, *short, "--min-share", "0"]) == 0


@pytest.mark.parametrize(
    ("more", "told"),
    [
        (["--min-share", "66"], "expected a share from 0 to 1"),
        (["--json", "nowhere/told.json"], "there is no folder nowhere"),
    ],
)
def test_what_cannot_be_kept_or_reached_is_said_before_anything_loads(
    mine: Path, more: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["constitution", "test", "mine.yaml", "--judge", "./no-model", *more]) == 2
    assert told in capsys.readouterr().err


def test_what_cannot_be_tested_is_said_before_anything_loads(mine: Path) -> None:
    bare = mine / "bare.yaml"
    bare.write_text('name: bare\nversion: "1"\nprinciples:\n  - {id: a, comparison_question: Q}\n')
    with pytest.raises(BadInputError, match="no principle has an example to test"):
        require_testable(load(bare), judge_of("embedded"))
    with pytest.raises(BadInputError, match="there is no folder"):
        require_testable(load(mine / "mine.yaml"), judge_of("./no-model"))
    alone = mine / "alone.yaml"
    alone.write_text(
        MINE.replace('      - {prompt: "Bye?", chosen: "GOOD bye.", rejected: "BAD bye."}\n', "")
    )
    few_shot = judge_of("embedded", ["labeling.method=few_shot"])
    with pytest.raises(BadInputError, match="what is tested is not shown: "):
        require_testable(load(alone), few_shot)


def test_a_reward_model_is_refused_since_it_reads_no_principle(mine: Path, tiny_model: Path) -> None:
    judge = judge_of(str(tiny_model), ["models.judge.engine=reward", "labeling.method=reward"])
    with pytest.raises(BadInputError, match="a reward model reads no principle"):
        require_testable(load("mine.yaml", relative_to=mine), judge)


def test_a_recipe_says_who_is_asked_and_how(mine: Path) -> None:
    recipe = mine / "recipe.yaml"
    recipe.write_text(
        "name: r\nconstitution: starter\ndata: {red_team: {path: red.jsonl}}\n"
        "models: {judge: {model: ./judge}}\nlabeling: {method: likelihood}\n"
    )
    loaded = judge_of(str(recipe))
    assert (loaded.labeling.method, loaded.judge.model) == ("likelihood", str(mine / "judge"))
    assert judge_of("embedded").labeling.method == "ab"


async def test_the_table_tells_what_each_principle_does_and_what_it_does_without_it(
    mine: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    constitution, loaded = load(mine / "mine.yaml"), judge_of("embedded")
    with Journal(mine / "journal.log") as journal:
        context = Context({"judge": ScriptedEngine("Curt.", choice=likes_good)}, journal, 0)
        found = await ask_trials(
            constitution,
            loaded,
            context,
            trials=trials(constitution),
            reporter=PlainReporter(),
            control=True,
        )
    show(found, PlainReporter())
    said = capsys.readouterr().out
    (row,) = [line.split() for line in said.splitlines() if line.split()[:1] == ["kind"]]
    assert " ".join(row).startswith("kind 2 of 2 0 of 1 67 % (")
    assert row[-2:] == ["as", "meant"]
    assert "comparisons: 2 of 2 by the principle, 2 by no principle" in said
    assert "on the mean of both orders 2 lean that way and 0 the other" in said
    assert found.below(0.7) == ["kind"]
    assert found.below(0.6) == []
