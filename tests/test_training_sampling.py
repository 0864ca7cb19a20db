"""Who samples: refused, with the next step, where vLLM cannot be had or processes cannot share a rollout."""

import json
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from importlib.util import find_spec
from pathlib import Path
from threading import Thread

import pytest
import torch
from training_fixtures import PROMPTS, taught, tiny, tiny_model

from engine.settings import ModelSettings
from training.load import Policy
from training.methods import METHODS
from training.model import TrainingError
from training.sampling import check_processes, check_sampler, check_server, sampler_arguments
from training.settings import GRPOSettings, MethodName, OnlineDPOSettings, PPOSettings

__all__ = ["tiny_model"]

CPU = ModelSettings(model="embedded", device="cpu")


def test_without_vllm_nothing_is_asked_and_nothing_is_changed() -> None:
    check_sampler(GRPOSettings(), CPU)
    assert sampler_arguments(GRPOSettings()) == {}


def test_vllm_is_refused_where_there_is_no_package_or_no_gpu() -> None:
    said = (
        "is not installed\nrun: pip install"
        if find_spec("vllm") is None
        else "on a GPU, and this runs on cpu"
    )
    with pytest.raises(TrainingError, match=said):
        check_sampler(GRPOSettings(use_vllm=True), CPU)


@pytest.mark.parametrize("divided_by", ["FSDP", "DEEPSPEED"])
@pytest.mark.parametrize("method", ["ppo", "grpo", "online_dpo"])
def test_weights_that_are_divided_are_refused_before_any_are_loaded(
    method: MethodName, divided_by: str, tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(f"ACCELERATE_USE_{divided_by}", "true")
    settings = {"reward_funcs": ({"function": "brevity"},), "max_length": 256}
    kinds = {"ppo": PPOSettings, "grpo": GRPOSettings, "online_dpo": OnlineDPOSettings}
    with pytest.raises(TrainingError, match=r"launch it with recipes/accelerate/eight_gpus\.yaml"):
        taught(
            replace(METHODS[method], load=_nothing_loads),
            PROMPTS,
            tiny(tiny_model),
            kinds[method].model_validate(settings),
            tmp_path / "out",
        )
    assert not list(tmp_path.iterdir())


def _nothing_loads(*_: object) -> Policy:
    raise AssertionError("weights load")


def test_a_rollout_that_does_not_fit_the_processes_is_told_with_numbers_that_do(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settings = GRPOSettings(
        generation_batch_size=48, num_generations=6, batch_size=4, gradient_accumulation_steps=1
    )
    monkeypatch.setenv("WORLD_SIZE", "3")
    check_processes(settings)
    monkeypatch.setenv("WORLD_SIZE", "8")
    with pytest.raises(TrainingError, match=r"x 8 processes = 32.*\nset generation_batch_size: 96, or lower"):
        check_processes(settings)
    monkeypatch.setenv("WORLD_SIZE", "5")
    with pytest.raises(TrainingError, match="set generation_batch_size: 60, or lower"):
        check_processes(settings)


class Served(BaseHTTPRequestHandler):
    """A vLLM server as far as it tells how it runs; `info` is None where it does not."""

    info: dict[str, object] | None = None

    def do_GET(self) -> None:
        known = self.path == "/health" or (self.path.startswith("/server_info") and self.info is not None)
        self.send_response(200 if known else 404)
        self.end_headers()
        self.wfile.write(json.dumps({"vllm_config": self.info}).encode() if known else b"")

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        return


@pytest.fixture
def served() -> Iterator[tuple[str, type[Served]]]:
    kind = type("ServedHere", (Served,), {})
    with HTTPServer(("127.0.0.1", 0), kind) as server:
        thread = Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/", kind
        server.shutdown()


@pytest.mark.parametrize(
    ("transfer", "mode", "says"),
    [
        (None, "processed_logprobs", "runs without --weight-transfer-config"),
        ({"backend": "nccl"}, "raw_logprobs", "tells raw_logprobs, and not the probabilities"),
        ({"backend": "nccl"}, "processed_logprobs", None),
    ],
)
def test_a_server_is_asked_how_it_runs(
    served: tuple[str, type[Served]], transfer: object, mode: str, says: str | None
) -> None:
    url, kind = served
    with pytest.raises(TrainingError, match=r"runs without VLLM_SERVER_DEV_MODE=1\n.*vllm serve MODEL"):
        check_server(url)
    kind.info = {"weight_transfer_config": transfer, "model_config": {"logprobs_mode": mode}}
    with pytest.raises(TrainingError, match=says) if says else nullcontext():
        check_server(url)


@pytest.mark.parametrize("url", ["http://127.0.0.1:9", "ftp://127.0.0.1", "nowhere"])
def test_a_server_that_is_not_there_is_told(url: str) -> None:
    with pytest.raises(TrainingError, match=f"use_vllm: {url}: nothing answers there"):
        check_server(url)


def test_trls_configuration_takes_the_options(tmp_path: Path) -> None:
    """Names and values are held to the pinned version."""
    from training.seams_online import sampling_arguments

    settings = GRPOSettings(use_vllm=True, vllm_mode="server", vllm_server_base_url="http://host:1")
    made = sampling_arguments(
        {
            "output_dir": str(tmp_path),
            "use_cpu": not torch.cuda.is_available(),
            "bf16": False,
            **sampler_arguments(settings),
        },
        answers=8,
        passes=1,
        frozen_copy=False,
    )
    assert (made.use_vllm, made.vllm_mode, made.vllm_server_base_url) == (True, "server", "http://host:1")
    assert made.vllm_max_model_length == settings.max_length
    assert (made.top_p, made.top_k, made.min_p, made.repetition_penalty) == (1.0, 0, None, 1.0)
