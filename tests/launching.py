"""Starts a script of the tests in two processes, as `accelerate launch` does."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent


def launch(script: str, *arguments: Path, timeout_s: int, config: str = "two_cpus") -> None:
    """Run a script beside this file to its end; a failure tells what both processes said.

    `config` is the name of one of the settings that ship, whose number of processes does not count.
    """
    command = [sys.executable, "-m", "accelerate.commands.accelerate_cli", "launch"]
    command += ["--config_file", str(ROOT / "recipes" / "accelerate" / f"{config}.yaml")]
    command += ["--num_processes", "2", "--main_process_port", "0"]
    environment = {name: value for name, value in os.environ.items() if name not in ("RANK", "WORLD_SIZE")}
    done = subprocess.run(
        [*command, str(ROOT / "tests" / script), *map(str, arguments)],
        env=environment | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
