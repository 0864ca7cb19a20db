"""Memory between the stages of a run: what one stage has let go of goes back to the system."""

import ctypes
import gc
import sys


def give_back() -> None:
    """Collect what nothing refers to, and hand free pages to the system where the C library is glibc.

    By itself glibc keeps what stands between blocks that are still in use: after long batches that is
    gigabytes, on top of which the next stage would take its own.
    """
    gc.collect()
    if sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
        if trim is not None:
            trim(0)
