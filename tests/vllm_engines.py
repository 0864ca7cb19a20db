"""What the tests of vLLM share: where it is, and the settings that keep it small and its start short."""

import importlib.util
import os

import pytest

from engine.settings import ModelSettings

needs_vllm = [
    pytest.mark.vllm,
    pytest.mark.skipif(
        importlib.util.find_spec("vllm") is None, reason="vLLM is not in this environment: make test-vllm"
    ),
    pytest.mark.asyncio(loop_scope="session"),
]
"""Marks for a test file. One event loop for all: an engine belongs to the one that it was started in."""

# One thread: two that wait for one another are slow where others compute too. Threads that are bound to cores stand in the way of whatever else the machine does.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("VLLM_CPU_OMP_THREADS_BIND", "nobind")
os.environ.setdefault("VLLM_CPU_KVCACHE_SPACE", "1")


def settings(model: str = "embedded", **more: object) -> ModelSettings:
    small = {"max_model_len": 1024, "max_num_seqs": 16, "enforce_eager": True, "dtype": "float32"}
    return ModelSettings.model_validate({"engine": "vllm", "model": model, **small, **more})
