"""Ctrl-C, as a run answers it: once to finish what is on its way, twice to stop now.

In: signals. Out: a `Stop` that the stages look at. The first Ctrl-C (or SIGTERM, as a cluster sends it) lets
calls in flight come to their end; the second ends the process at once, which the journal is made for.
"""

import os
import shlex
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import FrameType

from pipeline.gate import Stop
from solon.errors import INTERRUPTED

SIGNALS = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def stoppable(arguments: Sequence[str]) -> Iterator[Stop]:
    """While the context is open, signals ask the `Stop` that it gives; `arguments` are the command's."""
    stop = Stop()

    def press(_number: int, _frame: FrameType | None) -> None:
        if stop.asked:
            _say(how_to_go_on(arguments, "stopped at once"))
            os._exit(INTERRUPTED)
        # Asked before it is told: a second Ctrl-C may come as soon as somebody has read of the first.
        stop.ask()
        _say("stopping: what is on its way comes to its end and is kept; Ctrl-C again stops at once")

    # Python hands signals to the main thread only; elsewhere somebody else has to ask.
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    before = {number: signal.signal(number, press) for number in SIGNALS}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def how_to_go_on(arguments: Sequence[str], what: str = "stopped") -> str:
    """What was kept, and the command that goes on."""
    return f"{what}; every answer so far is kept. To go on:\n  {shlex.join(['solon', *arguments])}"


def _say(text: str) -> None:
    """Straight to the terminal: a signal may come in the middle of another line's printing."""
    os.write(sys.stderr.fileno(), f"\n{text}\n".encode())
