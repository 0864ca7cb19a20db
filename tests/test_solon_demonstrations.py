"""Demonstrations: what rows have to be, and a run that goes on from them to verifiable rewards."""

import gc
import json
from pathlib import Path

import pytest
from training_fixtures import tiny_model

from pipeline.rows import InputError
from prompts.message import Message
from solon.cli import main
from solon.demonstrations import iter_asked
from solon.export import export
from solon.loaded_recipe import load_recipe
from solon.recipe import Source
from solon.validate import problems

__all__ = ["tiny_model"]

RECIPE = """\
name: shown
constitution: starter
data:
  demonstrations: {path: worked.jsonl}
  prompts: {path: sums.jsonl}
models:
  assistant: {model: MODEL, device: cpu, dtype: float32}
training:
  sft: {dtype: float32, max_length: 128, epochs: 1}
  grpo:
    dtype: float32
    batch_size: 4
    gradient_accumulation_steps: 1
    generation_batch_size: 4
    num_generations: 4
    max_length: 256
    max_completion_length: 4
    reward_funcs: [{verifier: {check: number}}]
"""


def shown(*turns: str) -> str:
    roles = ("user", "assistant")
    said = [{"role": roles[place % 2], "content": text} for place, text in enumerate(turns)]
    return json.dumps({"messages": said}) + "\n"


@pytest.fixture
def project(tmp_path: Path, tiny_model: Path) -> Path:
    # The trainer collects garbage before every run, which takes seconds while all of torch is looked through.
    gc.freeze()
    (tmp_path / "recipe.yaml").write_text(RECIPE.replace("MODEL", str(tiny_model)))
    (tmp_path / "worked.jsonl").write_text(
        shown("1 + 1?", "<answer>2</answer>") + shown("2?", "3", "4?", "5")
    )
    (tmp_path / "sums.jsonl").write_text('{"prompt": "3 + 4?", "answer": 7}\n')
    return tmp_path


def found(project: Path, *overrides: str) -> list[str]:
    texts = problems(load_recipe(project / "recipe.yaml", overrides), project / "out")
    return [text.replace(f"{project}/", "") for text in texts]


def test_a_run_imitates_first_and_then_learns_from_the_verifier(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(project)
    assert main(["run", "recipe.yaml", "--out", "out"]) == 0
    told = "".join(capsys.readouterr())
    assert "sft: 2 rows" in told
    assert "grpo: 1 rows" in told
    assert not (project / "out" / "data" / "sft").exists()
    export("openrlhf", project / "out", project / "away")
    lines = (project / "away" / "sft.jsonl").read_text().splitlines()
    assert [len(json.loads(line)["messages"]) for line in lines] == [2, 4]
    (project / "worked.jsonl").write_text(shown("1 + 1?", "two"))
    assert main(["run", "recipe.yaml", "--out", "out", "--accept-changes"]) == 0
    assert "sft: 1 rows" in "".join(capsys.readouterr())


def test_what_is_asked_is_all_but_the_last_answer(project: Path) -> None:
    first, second = iter_asked(Source(path="worked.jsonl"), base=project)
    assert first.conversation == (Message("user", "1 + 1?"),)
    assert [message.content for message in second.conversation] == ["2?", "3", "4?"]


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ('{"prompt": "1 + 1?"}\n', "`messages` is empty, or not there"),
        ('{"messages": "1 + 1?"}\n', "`messages` is text"),
        ('{"messages": []}\n', "`messages` is an empty list"),
        (shown("1 + 1?"), "`messages` ends with a user's turn"),
        ('{"messages": [{"role": "assistant", "content": "2"}]}\n', "no user's turn before the last answer"),
        (shown("1 + 1?", " "), "`messages` is blank"),
        ("", "no demonstrations: the file is empty"),
    ],
)
def test_a_row_that_shows_nothing_is_told_with_its_line(project: Path, row: str, says: str) -> None:
    (project / "worked.jsonl").write_text(shown("a", "b") * bool(row) + row)
    [text] = found(project)
    assert text.startswith("data.demonstrations: worked.jsonl" + (":2" if row else ""))
    assert says in text
    with pytest.raises(InputError):
        list(iter_asked(Source(path="worked.jsonl"), base=project))


def test_what_does_not_go_with_demonstrations_is_told(project: Path) -> None:
    assert found(project) == []
    assert found(project, "data.prompts=null", "training.grpo=null") == []
    [text] = found(project, "training.sft=null")
    assert "`data.demonstrations` are learned from by SFT, and the recipe has none" in text
    [text] = found(project, "data.prompts=null")
    assert "`training.grpo` answers prompts, and there are none" in text
    [text] = found(project, "data.demonstrations=null")
    assert "add `data.red_team`, or `data.demonstrations`" in text


def test_a_held_out_prompt_is_no_demonstration(project: Path) -> None:
    (project / "held.jsonl").write_text('{"id": "h", "prompt": "1 + 1"}\n')
    [text] = found(project, "evaluation={harmless: {path: held.jsonl}}")
    assert "`harmless/h` is `worked.jsonl:1` of the training data" in text
