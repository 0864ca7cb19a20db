"""Who samples an online method's answers: the processes that train, or vLLM by TRL's own path.

Settings in, TRL's options out; `TrainingError` before any weights load where answers cannot be sampled so.
"""

import json
import math
from importlib.util import find_spec
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

import torch

from engine.local_model import pick_device
from engine.settings import ModelSettings
from training import processes
from training.model import TrainingError
from training.settings import OnlineSettings

_WITHOUT = "or set use_vllm: false, which samples in this process"

START = (
    "VLLM_SERVER_DEV_MODE=1 vllm serve MODEL --host 127.0.0.1 "
    """--weight-transfer-config '{"backend": "nccl"}' --logprobs-mode processed_logprobs"""
)
"""Starts a server as TRL asks for it: whoever reaches it may set its weights, so it listens here alone."""


def sampler_arguments(settings: OnlineSettings) -> dict[str, Any]:
    """TRL's options for sampling with vLLM; none where this process samples."""
    if not settings.use_vllm:
        return {}
    return {
        "use_vllm": True,
        "vllm_mode": settings.vllm_mode,
        "vllm_server_base_url": settings.vllm_server_base_url if settings.vllm_mode == "server" else None,
        "vllm_gpu_memory_utilization": settings.vllm_gpu_memory_utilization,
        "vllm_enable_sleep_mode": settings.vllm_enable_sleep_mode,
        "vllm_max_model_length": settings.max_length,
        # Whose probabilities differ by how much is for the learner to weigh.
        "vllm_importance_sampling_correction": False,
    }


def check_processes(settings: OnlineSettings) -> None:
    """`TrainingError` where processes have no whole weights to sample from, or a rollout no whole steps."""
    if processes.divided():
        raise TrainingError(
            "answers are sampled from a whole model, of which each process here holds a part\n"
            "launch it with recipes/accelerate/eight_gpus.yaml, which gives each the whole, with LoRA; "
            "what does not fit on a GPU so is for `solon export openrlhf` or `verl`"
        )
    count, answers = processes.count(), settings.generation_batch_size
    step = settings.answers_a_step * count
    if answers % step == 0:
        return
    whole = math.lcm(step, settings.answers_a_prompt)
    less = answers // whole * whole
    raise TrainingError(
        f"generation_batch_size {answers} is no multiple of {settings.STEP} x {count} processes = {step}: "
        "all of them learn from one rollout\n"
        f"set generation_batch_size: {less + whole}{f' or {less}' if less else ''}, or lower batch_size or "
        "gradient_accumulation_steps"
    )


def check_sampler(settings: OnlineSettings, model: ModelSettings) -> None:
    """`TrainingError` where vLLM is asked for and cannot be had: package, GPU, server."""
    if not settings.use_vllm:
        return
    if find_spec("vllm") is None:
        raise TrainingError(
            f"use_vllm: the package vllm is not installed\nrun: pip install 'solon[vllm]', {_WITHOUT}"
        )
    device = pick_device(model.device)
    if device.type != "cuda" or not torch.cuda.is_available():
        raise TrainingError(
            f"use_vllm: TRL gives vLLM its weights on a GPU, and this runs on {device.type}\n"
            f"run it where there is a GPU, {_WITHOUT}"
        )
    if settings.vllm_mode == "server":
        check_server(settings.vllm_server_base_url)


def check_server(url: str) -> None:
    """`TrainingError` where no vLLM answers, or one that takes no weights or tells other probabilities."""
    if _told(url, "health") is None:
        raise _unfit(url, "nothing answers there")
    # vLLM tells how it runs, and takes weights, in what it calls its development mode.
    told = _told(url, "server_info?config_format=json")
    if told is None:
        raise _unfit(url, "the server takes no weights: it runs without VLLM_SERVER_DEV_MODE=1")
    runs = json.loads(told)["vllm_config"]
    if runs["weight_transfer_config"] is None:
        raise _unfit(url, "the server takes no weights: it runs without --weight-transfer-config")
    mode = runs["model_config"]["logprobs_mode"]
    if mode != "processed_logprobs":
        raise _unfit(url, f"the server tells {mode}, and not the probabilities that it draws by")


def _unfit(url: str, what: str) -> TrainingError:
    return TrainingError(f"use_vllm: {url}: {what}\nstart it on a GPU of its own: {START}\n{_WITHOUT}")


def _told(url: str, path: str) -> str | None:
    """What the server says; None where it does not know the path, or nobody is there."""
    if not url.startswith(("http://", "https://")):
        return None
    try:
        with urlopen(f"{url.rstrip('/')}/{path}", timeout=10) as reply:  # noqa: S310
            return reply.read().decode()
    except (URLError, OSError):
        return None
