"""What the tests of vLLM share: where it is, the settings that keep it small, and Solon as a process."""

import importlib.util
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from engine.settings import ModelSettings

needs_vllm = [
    pytest.mark.vllm,
    pytest.mark.skipif(
        importlib.util.find_spec("vllm") is None, reason="vLLM is not in this environment: make test-vllm"
    ),
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.filterwarnings("ignore:The test .* is marked with:pytest.PytestWarning"),  # plain functions
]
"""Marks for a test file. One event loop for all: an engine belongs to the one that it was started in."""

SMALL: dict[str, object] = {
    "max_model_len": 1024,
    "max_num_seqs": 16,
    "enforce_eager": True,
    "dtype": "float32",
}

# One thread, bound to no core: two that wait for one another are slow where other work has the cores.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("VLLM_CPU_OMP_THREADS_BIND", "nobind")
os.environ.setdefault("VLLM_CPU_KVCACHE_SPACE", "1")


def settings(model: str = "embedded", **more: object) -> ModelSettings:
    return ModelSettings.model_validate({"engine": "vllm", "model": model, **SMALL, **more})


@contextmanager
def started(*arguments: str, cwd: Path | None = None) -> Iterator["subprocess.Popen[str]"]:
    """`solon` with these arguments as a process, killed at the end if it is still there."""
    root = str(Path(__file__).parent.parent)
    with subprocess.Popen(
        [sys.executable, "-m", "solon", *arguments],
        env={**os.environ, "PYTHONPATH": root, "COLUMNS": "120"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=cwd,
        start_new_session=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()
