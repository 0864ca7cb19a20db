"""`solon serve`: vLLM's own server for a model of a recipe, started on the loopback and ended again.

In: a recipe or a model's name. Out: a server that the openai engine asks, under the name that the recipe has
for the model, which says what it holds (`engine.served_name`): a run may go on with the served model where it
stood with the same model in its own process.
"""

import contextlib
import json
import signal
import socket
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from constitution.document import parse_document, validate
from engine.embedded import cache_dir
from engine.open import require_vllm
from engine.protocol import EngineUnavailable, Fingerprint
from engine.served_name import speaking_name
from engine.settings import ModelSettings
from engine.vllm_process import Reaper, bystanders, descendants, prepare_environment
from solon.errors import BadInputError
from solon.loaded_recipe import is_folder, is_recipe, load_recipe
from solon.models import model_problems
from solon.overrides import override

Role = Literal["assistant", "judge"]

HOST = "127.0.0.1"
SERVER = "vllm.entrypoints.openai.api_server"
"""What `vllm serve` runs; that command itself asks for the version of a package called vllm, which the CPU
build is not."""
POLL_S = 0.2
GRACE_S = 20.0
"""How long the server may take to end by itself."""


@dataclass(frozen=True, slots=True)
class Served:
    """A model and the name that it is asked for by; its folders are absolute."""

    name: str
    settings: ModelSettings
    role: Role = "assistant"


def served_model(what: str, *, role: Role = "assistant", overrides: Sequence[str] = ()) -> Served:
    """What to serve: a model of a recipe, or one that is named by itself.

    `overrides` write over the recipe's keys, or over those of a model section.

    Raises:
        BadInputError, DocumentError: it is not there, or not sound.
    """
    path = Path(what).expanduser()
    if is_recipe(path):
        loaded = load_recipe(path, overrides)
        models = loaded.recipe.models
        named = models.assistant if role == "assistant" else models.judge or models.assistant
        folder = loaded.folder
    else:
        document = override(parse_document(f"model: {json.dumps(what)}", "the command line"), overrides)
        named, folder = validate(document, ModelSettings), Path.cwd()
    found: dict[str, object] = {"engine": "vllm"}
    if is_folder(named.model, folder):
        found["model"] = str((folder / Path(named.model).expanduser()).resolve())
    if named.adapter is not None:
        found["adapter"] = (folder / named.adapter.expanduser()).resolve()
    settings = named.model_copy(update=found)
    if named.engine == "reward":
        raise BadInputError(f"{what}: a reward model answers nothing that vLLM's server could be asked for")
    problems = list(model_problems(settings, what))
    if problems:
        raise BadInputError("\n\n".join(problems))
    return Served(named.model, settings, role)


def serve(served: Served, *, port: int, say: Callable[[str], None]) -> None:
    """Start the server, say how to ask it, and wait until SIGINT or SIGTERM ends it.

    Raises:
        BadInputError: the port is taken.
        EngineUnavailable: vLLM is not installed, the model cannot be loaded, or the server ended by itself.
    """
    _require_free(port)
    require_vllm()
    prepare_environment()
    from engine.local_model import fingerprint_at_rest

    flags = arguments(served, fingerprint_at_rest(served.settings), port=port)
    log = cache_dir() / f"serve-{port}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    say(f"loading {served.name} into vLLM; its log is {log}")
    with _signals() as stop, _server(flags, log) as (server, watch):
        while not (stop.is_set() or _is_ready(port)):
            _require_running(server, log)
            watch()
            stop.wait(POLL_S)
        watch()
        if not stop.is_set():
            say(how_to_ask(served, port))
        while not stop.wait(POLL_S):
            _require_running(server, log)
    say("stopped")


def arguments(served: Served, said: Fingerprint, *, port: int) -> list[str]:
    """The flags of `vllm serve` for the model."""
    from engine.local_model import adapter_rank, locate, pick_device

    settings, further = served.settings, speaking_name(served.name, said)
    own = (served.name, further) if settings.adapter is None else (f"{served.name} without adapter", further)
    flags = [
        *(
            "--model",
            locate(settings.model),
            "--host",
            HOST,
            "--port",
            str(port),
            "--served-model-name",
            *own,
        ),
        *("--dtype", said.dtype, "--max-num-seqs", str(settings.max_num_seqs)),
        *("--gpu-memory-utilization", str(settings.gpu_memory_utilization)),
        # What a model's folder recommends for sampling must not change what was asked for.
        *("--generation-config", "vllm", "--enable-prefix-caching", "--enable-prompt-tokens-details"),
        *("--disable-uvicorn-access-log", "--uvicorn-log-level", "warning"),
    ]
    if settings.max_model_len is not None:
        flags += ["--max-model-len", str(settings.max_model_len)]
    if settings.adapter is not None:
        module = json.dumps({"name": served.name, "path": str(settings.adapter)})
        rank = str(adapter_rank(settings.adapter))
        flags += ["--enable-lora", "--lora-modules", module, "--max-loras", "1", "--max-lora-rank", rank]
    if pick_device("auto").type == "cpu":  # vLLM 0.31 dies there of a seeded prompt that is computed in parts
        flags += ["--no-enable-chunked-prefill"]
    flags += ["--enforce-eager"] if settings.enforce_eager else []
    return flags + (["--trust-remote-code"] if settings.trust_remote_code else [])


def how_to_ask(served: Served, port: int) -> str:
    """The lines of a recipe that ask the server."""
    return (
        f"vLLM serves {served.name}; Ctrl-C ends it. In a recipe:\n\n"
        f"models:\n  {served.role}:\n    engine: openai\n    model: {json.dumps(served.name)}\n"
        f"    base_url: http://{HOST}:{port}/v1\n"
    )


def _require_free(port: int) -> None:
    with socket.socket() as tried:
        tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            tried.bind((HOST, port))
        except OSError as error:
            raise BadInputError(
                f"port {port} on {HOST} cannot be had: {error.strerror}\n"
                "  next: --port with another number, or end what listens there"
            ) from error


@contextlib.contextmanager
def _signals() -> Iterator[threading.Event]:
    """The event that the first SIGINT or SIGTERM sets."""
    asked = threading.Event()
    before = {
        number: signal.signal(number, lambda *_: asked.set()) for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def _server(
    flags: Sequence[str], log: Path
) -> Iterator["tuple[subprocess.Popen[bytes], Callable[[], None]]"]:
    """vLLM's server, and a function that looks for processes of it to end with this one.

    It has a session of its own: a terminal's Ctrl-C comes to it through us alone.
    """
    before, reaper = bystanders(), Reaper()
    with log.open("wb") as output:
        server = subprocess.Popen(  # noqa: S603
            [sys.executable, "-P", "-m", SERVER, *flags],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield server, lambda: reaper.watch(descendants() - before)
    finally:
        server.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            server.wait(GRACE_S)
        reaper.end()
        server.kill()
        server.wait()


def _is_ready(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://{HOST}:{port}/health", timeout=2):
            return True
    except (urllib.error.URLError, OSError):
        return False


def _require_running(server: "subprocess.Popen[bytes]", log: Path) -> None:
    if server.poll() is None:
        return
    lines = [line.strip() for line in log.read_text(errors="replace").splitlines()]
    told = [line for line in lines if "Error" in line] or [line for line in lines if line] or ["nothing"]
    raise EngineUnavailable(
        f"vLLM's server ended (exit code {server.returncode}). Its log says: {told[-1]}\n"
        f"  next: read {log}; if memory is short, lower `max_model_len`, `max_num_seqs` or "
        "`gpu_memory_utilization`"
    )
