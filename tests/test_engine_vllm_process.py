"""What ends an engine's processes, tried on plain processes: no vLLM is needed."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from engine.vllm_process import Reaper, deaf_to_ctrl_c

ROOT = Path(__file__).parent.parent
SLEEPER = [sys.executable, "-c", "import time; print('up', flush=True); time.sleep(60)"]
DOOMED = """
import subprocess, sys, time
from engine.vllm_process import Reaper
reaper = Reaper()
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
reaper.watch([child.pid])
print(child.pid, flush=True)
time.sleep(60)
"""


def is_running(pid: int) -> bool:
    """A process that nobody has waited for yet is not running any more."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def wait_until_gone(pid: int) -> None:
    for _ in range(600):
        if not is_running(pid):
            return
        time.sleep(0.05)
    raise AssertionError(f"process {pid} is still there")


def test_processes_end_when_the_one_that_started_them_is_killed() -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        [sys.executable, "-c", DOOMED], stdout=subprocess.PIPE, text=True, env=environment
    ) as doomed:
        assert doomed.stdout is not None
        child = int(doomed.stdout.readline())
        assert is_running(child)
        doomed.kill()
    wait_until_gone(child)


def test_the_end_of_an_engine_ends_what_it_left_and_nothing_else() -> None:
    with subprocess.Popen(SLEEPER) as known, subprocess.Popen(SLEEPER) as stranger:
        reaper = Reaper()
        reaper.watch([known.pid])
        reaper.end()
        assert known.wait(30) == -signal.SIGKILL
        assert stranger.poll() is None
        assert not is_running(reaper.pid)
        stranger.kill()


def test_a_process_that_was_started_deaf_does_not_hear_ctrl_c() -> None:
    with deaf_to_ctrl_c(), subprocess.Popen(SLEEPER, stdout=subprocess.PIPE, text=True) as deaf:
        assert deaf.stdout is not None
        assert deaf.stdout.readline() == "up\n"
        deaf.send_signal(signal.SIGINT)
        deaf.send_signal(signal.SIGTERM)
        assert deaf.wait(30) == -signal.SIGTERM
    assert signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, [])
