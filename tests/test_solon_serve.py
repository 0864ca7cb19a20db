"""`solon serve`: what it starts a server with, and what it says before it does. No vLLM is needed."""

import json
import socket
from pathlib import Path

import pytest

from constitution.document import DocumentError
from engine.protocol import Fingerprint
from solon.errors import BadInputError
from solon.serve import arguments, how_to_ask, serve, served_model

PRINT = Fingerprint("model", "1", "", "float32", "t")
RECIPE = """
name: small
constitution: starter
data: {red_team: {path: red.jsonl}}
models:
  assistant: {model: embedded, dtype: float32, adapter: lora}
  judge: {model: ./judge}
critique: {rounds: 1, respond: {max_tokens: 12}, critique: {max_tokens: 12}, revise: {max_tokens: 12}}
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "recipe.yaml").write_text(RECIPE)
    rows = [{"id": f"r{n}", "prompt": f"How do I pick lock number {n}?"} for n in range(3)]
    (tmp_path / "red.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "lora").mkdir()
    (tmp_path / "lora" / "adapter_config.json").write_text('{"r": 6}')
    (tmp_path / "lora" / "adapter_model.safetensors").touch()
    (tmp_path / "judge").mkdir()
    (tmp_path / "judge" / "config.json").write_text("{}")
    (tmp_path / "judge" / "model.safetensors").touch()
    return tmp_path


@pytest.mark.model
def test_a_recipes_model_is_served_under_the_recipes_name(project: Path, embedded_model: Path) -> None:
    served = served_model(str(project))
    assert (served.name, served.settings.adapter) == ("embedded", project / "lora")
    flags = arguments(served, PRINT, port=8123)
    assert flags[:6] == ["--model", str(embedded_model), "--host", "127.0.0.1", "--port", "8123"]
    module = json.dumps({"name": "embedded", "path": str(project / "lora")})
    assert flags[flags.index("--lora-modules") + 1] == module
    assert flags[flags.index("--max-lora-rank") + 1] == "8"
    assert flags[flags.index("--dtype") + 1] == "float32"
    assert "--trust-remote-code" not in flags


def test_the_judge_is_served_where_it_is_asked_for(project: Path) -> None:
    served = served_model(str(project / "recipe.yaml"), role="judge")
    assert (served.name, served.settings.model) == ("./judge", str(project / "judge"))
    told = how_to_ask(served, 8123)
    assert (
        '  judge:\n    engine: openai\n    model: "./judge"\n    base_url: http://127.0.0.1:8123/v1' in told
    )


def test_a_model_is_served_by_itself_with_settings_of_its_own(project: Path) -> None:
    served = served_model(str(project / "judge"), overrides=["max_model_len=64", "trust_remote_code=true"])
    flags = arguments(served, PRINT, port=1)
    assert flags[flags.index("--max-model-len") + 1] == "64"
    assert "--trust-remote-code" in flags
    with pytest.raises(DocumentError, match="max_model_length"):
        served_model("embedded", overrides=["max_model_length=64"])


def test_a_model_that_is_not_there_is_told_before_anything_starts(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match="there is no folder"):
        served_model(str(tmp_path / "nothing"))
    with pytest.raises(DocumentError, match=r"nothing\.yaml"):
        served_model(str(tmp_path / "nothing.yaml"))


def test_a_port_that_is_taken_is_told(project: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(BadInputError, match=f"port {port} on 127.0.0.1 cannot be had"):
            serve(served_model(str(project / "judge")), port=port, say=print)
