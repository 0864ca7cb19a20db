"""The other clients of `overhead.py`, each doing the same work in its own manner and its own environment.

A name comes in, the Python of its environment goes out: made with pip on first use, pinned, and kept. The
clients are asked for the same three dependent questions a row; settings are theirs, retries and logs off where
that is theirs to turn off.
"""

import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

RIVALS: dict[str, Callable[..., Awaitable[None]]] = {}


def python_of(name: str, environments: Path) -> Path:
    return Path(sys.executable)
