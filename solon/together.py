"""Training in several processes, as `accelerate launch -m solon train METHOD RECIPE` starts them.

In: the environment that the launcher sets. The first process is the run: it holds the folder, the journal and
the terminal. The others train what it trains, and write and say nothing.
"""

import os
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import get_args

from solon.errors import BadInputError
from solon.loaded_recipe import LoadedRecipe
from solon.run_folder import RunFolder
from solon.stage import Stage
from training.settings import MethodName


def several() -> bool:
    """Whether this is one of several processes."""
    return int(os.environ.get("WORLD_SIZE", "1")) > 1


def speaks() -> bool:
    """Whether this process is the one that people hear of."""
    return int(os.environ.get("RANK", "0")) == 0


def meet(loaded: LoadedRecipe, stages: Sequence[Stage]) -> None:
    """Meet the other processes before anything is done.

    Raises:
        BadInputError: there is something else to do than to train.
    """
    others = [stage for stage in stages if stage not in get_args(MethodName)]
    if others:
        raise BadInputError(
            f"{', '.join(others)}: only training runs in several processes\n"
            "  next: run this command without `accelerate launch`, and then\n"
            "        accelerate launch -m solon train METHOD RECIPE"
        )
    from engine.local_model import pick_device
    from training.processes import join

    join(pick_device(loaded.assistant.device))


def follow(loaded: LoadedRecipe, out: Path) -> None:
    """Train beside the first process until it has nothing more to train."""
    from solon.stages.training import follow as train_beside
    from training.processes import leave

    # A Ctrl-C reaches all processes: the first one decides where to stop, and ends the others with itself.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    train_beside(loaded, RunFolder(out))
    leave()


def part() -> None:
    """Tell the others that there is nothing more to train."""
    from training.processes import leave, shared

    shared(lambda: None)
    leave()
