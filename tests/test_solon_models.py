"""Whether models are there, found out from folders and packages alone."""

import json
from pathlib import Path

from engine.settings import ModelSettings
from solon.models import model_problems


def model_folder(folder: Path, **files: str) -> Path:
    folder.mkdir()
    for name, text in files.items():
        (folder / name.replace("__", ".")).write_text(text)
    return folder


def problems(**settings: object) -> list[str]:
    return list(model_problems(ModelSettings(**settings), "models.judge"))  # type: ignore[arg-type]


def test_a_whole_folder_is_in_order(tmp_path: Path) -> None:
    whole = model_folder(tmp_path / "whole", config__json=json.dumps({}), model__safetensors="")
    assert problems(model=str(whole)) == []


def test_a_missing_folder_names_the_nearest(tmp_path: Path) -> None:
    model_folder(tmp_path / "llama")
    [text] = problems(model=str(tmp_path / "lama"))
    assert text.startswith("models.judge: there is no folder")
    assert "did you mean 'llama'?" in text


def test_what_a_folder_lacks_is_named(tmp_path: Path) -> None:
    [text] = problems(model=str(model_folder(tmp_path / "a", notes__txt="")))
    assert "has no config.json (it holds notes.txt)" in text
    [text] = problems(model=str(model_folder(tmp_path / "b", config__json="{}")))
    assert "has no weights" in text
    [text] = problems(model=str(model_folder(tmp_path / "c", config__json="{", model__safetensors="")))
    assert "config.json cannot be read" in text


def test_an_adapter_is_looked_for_too(tmp_path: Path) -> None:
    whole = model_folder(tmp_path / "whole", config__json="{}", model__safetensors="")
    [text] = problems(model=str(whole), adapter=tmp_path / "lora")
    assert text.startswith("models.judge.adapter: there is no folder")


def test_what_is_no_hub_id_is_refused_without_a_network() -> None:
    [text] = problems(model="my models/x y")
    assert "neither a folder here nor an id on the Hub" in text


def test_a_key_that_is_not_set_is_told_before_the_server_is_asked() -> None:
    [text] = problems(engine="openai", model="m", api_key_env="SOLON_TEST_NO_SUCH_KEY")
    assert "SOLON_TEST_NO_SUCH_KEY" in text


def test_a_server_that_is_not_there_is_told() -> None:
    [text] = problems(engine="openai", model="m", base_url="http://127.0.0.1:9/v1")
    assert text.startswith("models.judge: cannot connect to http://127.0.0.1:9/v1")


def test_a_reward_model_is_told_from_other_models_and_adapters(tmp_path: Path) -> None:
    one = {"architectures": ["LlamaForSequenceClassification"], "id2label": {"0": "LABEL_0"}}
    two = {"architectures": ["LlamaForSequenceClassification"]}
    rates = model_folder(tmp_path / "rates", config__json=json.dumps(one), model__safetensors="")
    assert problems(engine="reward", model=str(rates)) == []
    for name, config in (("two", two), ("plain", {"architectures": ["LlamaForCausalLM"]})):
        other = model_folder(tmp_path / name, config__json=json.dumps(config), model__safetensors="")
        [text] = problems(engine="reward", model=str(other))
        assert "is no reward model with one output" in text
    [text] = problems(engine="reward", model="embedded")
    assert "give the adapter that makes it one" in text
    for head, found in (("score", 0), ("lm_head", 1)):
        config = json.dumps({"modules_to_save": [head]})
        adapter = model_folder(tmp_path / head, adapter_config__json=config, adapter_model__safetensors="")
        assert len(problems(engine="reward", model="embedded", adapter=adapter)) == found
