"""Uploading a finished model, against a server on the loopback that stands for the Hub."""

import base64
import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from training_fixtures import tiny_model

__all__ = ["tiny_model"]

ROOT = Path(__file__).parent.parent
TOKEN = "hf_thisIsASecretThatNoFileMayHold"
PUSH = """
import sys
from pathlib import Path
from training.hub import push
from training.model import TrainingError
try:
    push(Path(sys.argv[1]), "someone/lawful")
except TrainingError as error:
    sys.exit(str(error))
"""
TRAIN_AND_PUSH = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[3])
from training_fixtures import SFT_ROWS, sft_settings, tiny
from training.sft import train_sft
settings = sft_settings(push_to_hub=True, hub_model_id="someone/lawful")
train_sft(SFT_ROWS, model=tiny(Path(sys.argv[1])), settings=settings, out=Path(sys.argv[2]), seed=0,
          card={}, samples=[])
"""


@dataclass
class Hub:
    """What a small part of the Hub was asked for: repositories, files of the one commit, every header."""

    refuses_with: int = 0
    created: list[dict[str, object]] = field(default_factory=list)
    files: dict[str, bytes] = field(default_factory=dict)
    committed_to: list[str] = field(default_factory=list)
    tokens: set[str | None] = field(default_factory=set)
    address: str = ""

    def answer(self, path: str, body: bytes) -> dict[str, object]:
        if path == "/api/repos/create":
            self.created.append(json.loads(body))
            return {"url": f"{self.address}/someone/lawful"}
        if "/preupload/" in path:
            asked = json.loads(body)["files"]
            return {
                "files": [{"path": f["path"], "uploadMode": "regular", "shouldIgnore": False} for f in asked]
            }
        if "/commit/" in path:
            self.committed_to.append(path.partition("?")[0])
            for line in map(json.loads, body.splitlines()):
                if line["key"] == "file":
                    self.files[line["value"]["path"]] = base64.b64decode(line["value"]["content"])
            return {"commitOid": "0" * 40, "commitUrl": f"{self.address}/someone/lawful/commit/{'0' * 40}"}
        return {}


@pytest.fixture
def hub() -> Iterator[Hub]:
    state = Hub()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"] or 0))
            state.tokens.add(self.headers["Authorization"])
            self.send_response(state.refuses_with or 200)
            answer = json.dumps(state.answer(self.path, body) if not state.refuses_with else {}).encode()
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def do_GET(self) -> None:
            self.send_error(404)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    state.address = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield state
    server.shutdown()
    server.server_close()


def run(program: str, *arguments: object, address: str, home: Path) -> subprocess.CompletedProcess[str]:
    """A program in a process of its own, since the Hub's address is read when its library is imported."""
    environment = os.environ | {
        "HF_ENDPOINT": address,
        "HF_TOKEN": TOKEN,
        "HF_HOME": str(home),
        "HF_HUB_OFFLINE": "0",
        "PYTHONPATH": str(ROOT),
        "NO_PROXY": "127.0.0.1",
    }
    command = [sys.executable, "-c", program, *map(str, arguments)]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


@pytest.fixture
def finished(tmp_path: Path) -> Path:
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "README.md").write_text("# A card")
    (folder / "adapter_model.safetensors").write_bytes(b"weights")
    return folder


def test_a_trained_model_is_uploaded_whole_to_a_private_repository(
    hub: Hub, tiny_model: Path, tmp_path: Path
) -> None:
    out = tmp_path / "adapter"
    program = run(
        TRAIN_AND_PUSH, tiny_model, out, ROOT / "tests", address=hub.address, home=tmp_path / "home"
    )
    assert program.returncode == 0, program.stderr
    [repository] = hub.created
    assert (repository["organization"], repository["name"]) == ("someone", "lawful")
    # The Hub takes either word, and which one is sent depends on the library's version.
    assert repository.get("visibility") == "private" or repository.get("private") is True
    assert hub.committed_to == ["/api/models/someone/lawful/commit/main"]
    assert hub.files == {path.name: path.read_bytes() for path in out.iterdir()}
    assert "adapter_model.safetensors" in hub.files
    assert hub.tokens == {f"Bearer {TOKEN}"}


def test_the_token_is_in_no_file(hub: Hub, finished: Path, tmp_path: Path) -> None:
    program = run(PUSH, finished, address=hub.address, home=tmp_path / "home")
    assert program.returncode == 0, program.stderr
    assert set(hub.files) == {"README.md", "adapter_model.safetensors"}
    written = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert not any(TOKEN.encode() in path.read_bytes() for path in written)
    assert not any(TOKEN.encode() in content for content in hub.files.values())


@pytest.mark.parametrize("status", [401, 403])
def test_what_the_hub_refuses_is_told_with_the_next_step_and_the_model_stays(
    hub: Hub, finished: Path, tmp_path: Path, status: int
) -> None:
    hub.refuses_with = status
    program = run(PUSH, finished, address=hub.address, home=tmp_path / "home")
    assert f"the model is finished in {finished}, but it could not be uploaded" in program.stderr
    assert f"run: hf upload --private someone/lawful {finished}" in program.stderr
    assert "Traceback" not in program.stderr
    assert TOKEN not in program.stderr
    assert (finished / "adapter_model.safetensors").read_bytes() == b"weights"


def test_a_hub_that_is_not_there_is_told_with_the_next_step(finished: Path, tmp_path: Path) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{unused.getsockname()[1]}"
        program = run(PUSH, finished, address=address, home=tmp_path / "home")
    assert "hf upload --private someone/lawful" in program.stderr
    assert "Traceback" not in program.stderr
