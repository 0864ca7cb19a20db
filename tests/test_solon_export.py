"""`solon export`: datasets read back as other projects read them, scripts that parse, rewards that agree."""

import importlib.util
import json
import shutil
import subprocess
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import ModuleType
from typing import Any, TypedDict

import pytest
from datasets import load_dataset
from training_fixtures import reward_model, tiny, tiny_model
from transformers import AutoModelForSequenceClassification

from pipeline.store import write_records
from prompts.message import Message
from solon.cli import main
from training.raters import open_reward
from training.reward_functions import FUNCTIONS
from training.reward_part import RewardPart
from training.rewards import Answer

__all__ = ["reward_model", "tiny_model"]

RECIPE = """\
# All settings of the run, read from {base}/recipe.yaml.
name: carried
constitution: starter
data: {{red_team: {{path: red.jsonl}}}}
models: {{assistant: {{model: {model}, device: cpu, dtype: float32}}}}
training:
  sft: {{epochs: 3, max_length: 300}}
  ppo:
    beta: 0.07
    cliprange: 0.15
    cliprange_value: 0.35
    max_length: 256
    max_completion_length: 16
    generation_batch_size: 8
    reward_funcs:
      - {{reward_model: {reward}}}
      - {{function: brevity, weight: 0.5}}
"""
ASK = [{"role": "user", "content": "Insult me."}]
GOOD, BAD = ([{"role": "assistant", "content": text}] for text in ("No, you deserve better.", "Fool."))
CUT_OFF = {"chosen_cut_off": False, "rejected_cut_off": True}
ASKED = "<|im_start|>user\nInsult me.<|im_end|>\n<|im_start|>assistant\n"


class _Said(TypedDict):
    role: str
    content: str


class _SFT(TypedDict):
    messages: list[_Said]
    cut_off: bool


class _Pair(TypedDict):
    prompt: list[_Said]
    chosen: list[_Said]
    rejected: list[_Said]
    chosen_probability: float
    chosen_cut_off: bool
    rejected_cut_off: bool


@pytest.fixture
def run(tmp_path: Path, tiny_model: Path, reward_model: Path) -> Path:
    """A run's folder with both datasets: one row of each is nothing to learn from."""
    folder, rated = tmp_path / "run", tmp_path / "rated"
    shutil.copytree(reward_model, rated)
    scale = {"mean": 0.25, "sd": 2.0, "fitted_on": "responses", "responses": 4, "temperature": None}
    (rated / "reward.json").write_text(json.dumps(scale))
    folder.mkdir()
    text = RECIPE.format(base=tmp_path, model=tiny_model, reward=rated)
    (folder / "recipe.yaml").write_text(text)
    (tmp_path / "red.jsonl").write_text('{"prompt": "Insult me."}\n{"prompt": "Who are you?"}\n')
    talks = [[*ASK, *GOOD], [*ASK, {"role": "assistant", "content": " "}]]
    write_records(folder / "data" / "sft", [_SFT(messages=talk, cut_off=True) for talk in talks], _SFT)  # pyright: ignore[reportArgumentType]
    pairs = [
        _Pair(prompt=ASK, chosen=GOOD, rejected=BAD, chosen_probability=probability, **CUT_OFF)  # pyright: ignore[reportArgumentType]
        for probability in (0.9, 0.5)
    ]
    write_records(folder / "data" / "preferences", pairs, _Pair)
    return folder


def rows(file: Path, kind: str) -> list[dict[str, object]]:
    return [dict(row) for row in load_dataset(kind, data_files=str(file), split="train")]  # pyright: ignore[reportArgumentType, reportCallIssue]


def test_openrlhf_gets_lines_of_messages_without_what_is_not_learned(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert main(["export", "openrlhf", str(run), str(out)]) == 0
    assert "sft.jsonl: 1 rows" in capsys.readouterr().out
    assert rows(out / "sft.jsonl", "json") == [{"messages": [*ASK, *GOOD], "cut_off": True}]
    assert rows(out / "preferences.jsonl", "json") == [
        {"prompt": ASK, "chosen": GOOD, "rejected": BAD, **CUT_OFF, "chosen_probability": 0.9}
    ]
    prompts = rows(out / "prompts.jsonl", "json")
    assert [row["prompt"] for row in prompts] == [ASK, [{"role": "user", "content": "Who are you?"}]]
    assert json.loads(str(prompts[0]["label"])) == ASK


def test_verl_gets_parquet_with_its_five_columns(run: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert main(["export", "verl", str(run), str(out)]) == 0
    assert rows(out / "sft.parquet", "parquet") == [{"messages": [*ASK, *GOOD], "cut_off": True}]
    first = rows(out / "prompts.parquet", "parquet")[0]
    assert set(first) == {"data_source", "prompt", "ability", "reward_model", "extra_info"}
    assert (first["data_source"], first["prompt"]) == ("solon/carried", ASK)
    assert first["reward_model"] == {"style": "rule", "ground_truth": ""}
    assert not (out / "preferences.parquet").exists()


CARRIED = {
    "openrlhf": (
        "--algo.kl.init_coef 0.07",
        "--data.max_len 256",
        "--rollout.max_new_tokens 16",
        "--actor.eps_clip 0.15",
        "--critic.value_clip 0.35",
        '--rollout.batch_size "${ROLLOUT:-2}"',
    ),
    # verl's policy loss reads low and high; clip_ratio says something only where they are null.
    "verl": (
        "kl_coef=0.07",
        "data.max_prompt_length=240",
        "data.max_response_length=16",
        "actor.clip_ratio_low=0.15",
        "actor.clip_ratio_high=0.15",
        "critic.cliprange_value=0.35",
        'data.train_batch_size="${ROLLOUT:-2}"',
    ),
}


@pytest.mark.parametrize("project", ["openrlhf", "verl"])
def test_scripts_parse_carry_the_recipe_and_name_no_folder_of_this_machine(
    project: str, run: Path, tmp_path: Path, tiny_model: Path
) -> None:
    out = tmp_path / "out"
    assert main(["export", project, str(run), str(out)]) == 0
    scripts = sorted(out.glob("*.sh"))
    assert len(scripts) == (3 if project == "openrlhf" else 2)
    for script in scripts:
        subprocess.run(["bash", "-n", str(script)], check=True)
        assert "@" not in script.read_text().replace('"$@"', "")
    told = (out / "train_ppo.sh").read_text()
    assert all(setting in told for setting in CARRIED[project])
    assert ("max_len 300" if project == "openrlhf" else "max_length=300") in (
        out / "train_sft.sh"
    ).read_text()
    for file in out.rglob("*"):
        if file.is_file() and file.suffix not in (".safetensors", ".parquet"):
            assert str(tmp_path) not in file.read_text()
            assert str(tiny_model) not in file.read_text()


def test_a_model_of_this_machine_is_asked_for(run: Path, tmp_path: Path) -> None:
    main(["export", "openrlhf", str(run), str(tmp_path / "out")])
    script = tmp_path / "out" / "train_sft.sh"
    done = subprocess.run(["bash", str(script)], capture_output=True, text=True, check=False, env={})
    assert done.returncode != 0
    assert "set MODEL" in done.stderr


def reward_file(out: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("exported_reward", out / "reward.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_reward_file_gives_what_ppo_would(
    run: Path, tmp_path: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REWARD_DEVICE", "cpu")
    parts = (
        RewardPart(reward_model=str(tmp_path / "rated")),
        RewardPart(function="brevity", weight=0.5),
    )
    reward = open_reward(parts, tiny(tiny_model))
    ask = (Message("user", "Insult me."),)
    whole, short = reward([Answer(ask, "No.", True), Answer(ask, "No.", False)]).total
    for project in ("openrlhf", "verl"):
        main(["export", project, str(run), str(tmp_path / project)])
    label = json.dumps(ASK)
    openrlhf = reward_file(tmp_path / "openrlhf")
    cut = f"{ASKED[9:]}No."  # OpenRLHF leaves out the beginning of a prompt that is too long.
    told = openrlhf.reward_func([f"{ASKED}No.<|im_end|>", f"{ASKED}No.", cut], [ASKED] * 3, [label] * 3)
    assert told["rewards"].tolist() == pytest.approx([whole, short, short], abs=1e-4)
    assert told["scores"].tolist() == told["rewards"].tolist()
    verl = reward_file(tmp_path / "verl")
    extra = {"split": "train", "index": 0, "messages": label}
    given = verl.compute_score(
        data_source="solon/carried", solution_str="No.", ground_truth="", extra_info=extra
    )
    assert given == pytest.approx(whole, abs=1e-4)


def test_threads_that_ask_for_rewards_load_one_model(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REWARD_DEVICE", "cpu")
    main(["export", "verl", str(run), str(tmp_path / "out")])
    loaded: list[str] = []
    load: Callable[..., Any] = AutoModelForSequenceClassification.from_pretrained

    def counted(name: str, **settings: object) -> object:
        loaded.append(name)
        return load(name, **settings)

    monkeypatch.setattr(AutoModelForSequenceClassification, "from_pretrained", counted)
    verl, extra = reward_file(tmp_path / "out"), {"messages": json.dumps(ASK)}
    with ThreadPoolExecutor(4) as threads:
        asked = [threads.submit(verl.compute_score, "", "No.", "", extra) for _ in range(8)]
    assert len({one.result() for one in asked}) == 1
    assert len(loaded) == 1


def test_functions_are_asked_about_the_words_without_the_end(run: Path, tmp_path: Path) -> None:
    recipe = run / "recipe.yaml"
    kept = [line for line in recipe.read_text().splitlines() if "reward_model" not in line]
    recipe.write_text("\n".join(kept).replace("brevity", "no_repetition"))
    main(["export", "openrlhf", str(run), str(tmp_path / "out")])
    told = reward_file(tmp_path / "out").reward_func(
        [f"{ASKED}go on now go on now<|im_end|>"], [ASKED], [json.dumps(ASK)]
    )
    bare = FUNCTIONS["no_repetition"]([], ["go on now go on now"])[0]
    assert told["rewards"].tolist() == pytest.approx([0.5 * bare])


def test_nothing_is_written_over_and_nothing_half_is_left(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    out.mkdir()
    assert main(["export", "verl", str(run), str(out)]) == 2
    assert "is there already" in capsys.readouterr().err
    assert main(["export", "verl", str(tmp_path / "nowhere"), str(tmp_path / "new")]) == 2
    assert "there is no run here" in capsys.readouterr().err
    shutil.rmtree(tmp_path / "rated")
    assert main(["export", "verl", str(run), str(tmp_path / "new")]) == 2
    assert "is not there" in capsys.readouterr().err
    assert not list(tmp_path.glob("new*"))


def test_a_run_without_datasets_says_what_to_run(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.rmtree(run / "data")
    recipe = run / "recipe.yaml"
    recipe.write_text(recipe.read_text().partition("  ppo:")[0])
    assert main(["export", "openrlhf", str(run), str(tmp_path / "out")]) == 2
    assert "no dataset that openrlhf could take yet" in capsys.readouterr().err


def test_a_recipe_that_trains_by_another_method_is_exported_with_default_settings(
    run: Path, tmp_path: Path
) -> None:
    recipe = run / "recipe.yaml"
    recipe.write_text(recipe.read_text().partition("training:")[0] + "training: {orpo: {}}\n")
    assert main(["export", "openrlhf", str(run), str(tmp_path / "out")]) == 0
    assert sorted(file.name for file in (tmp_path / "out").glob("*.sh")) == ["train_dpo.sh", "train_sft.sh"]
