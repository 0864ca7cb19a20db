"""vLLM's own processes: what they are told before they start, and that none of them is left over.

vLLM computes in processes of its own. They would hear a Ctrl-C that is meant for the run, which lets calls in
flight come to their end, and they would live on, holding a GPU's memory, if the run were killed. This file
keeps the signal from them, and runs as a script of its own to end them when the run has gone.
"""

import contextlib
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from multiprocessing import resource_tracker
from pathlib import Path

ENVIRONMENT = {
    "DO_NOT_TRACK": "1",
    "VLLM_NO_USAGE_STATS": "1",
    "VLLM_CPU_KVCACHE_SPACE": "2",
    "VLLM_HOST_IP": "127.0.0.1",
    "VLLM_LOGGING_LEVEL": "ERROR",
    "VLLM_WORKER_MULTIPROC_METHOD": "spawn",
    "TORCH_CPP_LOG_LEVEL": "ERROR",
    "TORCH_LOGS": "-torch._library",
    "TOKENIZERS_PARALLELISM": "false",
    "PYTHONWARNINGS": "ignore::FutureWarning",
}
"""Set unless the environment says otherwise. Nothing is reported to anybody, and all talk is on the loopback.

On a CPU the cache of keys and values gets 2 GiB, where vLLM by itself takes nearly all memory; a start gives
a dozen warnings about what could be preloaded, so that only errors are shown. Processes are spawned: ones
that fork inherit the locks of threads that they do not have.
"""

GONE_S = 10.0
"""How long the kernel may take to remove a process that was ended."""


def prepare_environment() -> None:
    """Before vLLM is imported, which reads it then."""
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)


@contextlib.contextmanager
def deaf_to_ctrl_c() -> Iterator[None]:
    """Processes that this thread starts meanwhile, and theirs, do not hear SIGINT, whatever they install.

    A terminal sends it to all of a run's processes; the run alone decides what it means.
    """
    # It unblocks the signal as it starts, which the first spawned process would make it do.
    resource_tracker.ensure_running()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def descendants() -> set[int]:
    """The processes below this one."""
    import psutil

    return {child.pid for child in psutil.Process().children(recursive=True)}


def bystanders() -> set[int]:
    """Processes below this one that are not to be ended with an engine that starts now."""
    resource_tracker.ensure_running()  # which the first engine would start, and all of them share
    return descendants()


class Reaper:
    """A small process that ends those it was told of, once this process has gone in whatever way.

    It sees that by a pipe: the kernel closes this process's end of it, after SIGKILL too.
    """

    def __init__(self) -> None:
        self._told: dict[int, str] = {}
        # A session of its own: what ends the run's processes by group must not end this one first.
        self._process = subprocess.Popen(  # noqa: S603
            [sys.executable, "-I", "-S", __file__], stdin=subprocess.PIPE, text=True, start_new_session=True
        )

    @property
    def pid(self) -> int:
        return self._process.pid

    def watch(self, pids: Iterable[int]) -> None:
        """Tell it of processes; those that it knows are left out."""
        pipe = self._process.stdin
        for pid in set(pids) - self._told.keys() - {self.pid}:
            self._told[pid] = _started_at(pid)
            if pipe is not None and self._process.poll() is None:
                pipe.write(f"{pid} {self._told[pid]}\n")
                pipe.flush()

    def end(self) -> None:
        """End whatever it knows of that is still there, and the reaper itself; wait until they have gone."""
        self._process.kill()
        self._process.communicate()
        _end(self._told)
        deadline = time.monotonic() + GONE_S
        while time.monotonic() < deadline and any(map(_is_there, self._told.items())):
            multiprocessing.active_children()  # which also takes note of those that have ended
            time.sleep(0.02)


def _started_at(pid: int) -> str:
    """Tells a process from a later one of the same number; "" where it has ended or nothing says so."""
    try:
        state, *fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if state == "Z" else fields[18]


def _is_there(process: tuple[int, str]) -> bool:
    pid, started = process
    return _started_at(pid) == started != ""


def _end(processes: dict[int, str]) -> None:
    for pid, started in processes.items():
        if _is_there((pid, started)):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)


def _reap() -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    told = [line.strip().partition(" ") for line in sys.stdin]
    _end({int(pid): started for pid, _, started in told})


if __name__ == "__main__":
    _reap()
