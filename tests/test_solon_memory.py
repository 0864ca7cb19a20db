"""What a stage has let go of is free for others."""

import sys
from pathlib import Path

import pytest

from solon.memory import give_back

MEGABYTE = 1 << 20


def resident() -> int:
    """Bytes of this process in memory."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmRSS"))


@pytest.mark.skipif(sys.platform != "linux", reason="only glibc keeps free pages that can be asked for")
def test_free_pages_between_blocks_in_use_go_back_to_the_system() -> None:
    blocks = [bytes(8_000) for _ in range(10_000)]
    in_use = blocks[::100]
    del blocks
    before = resident()
    give_back()
    assert before - resident() > 40 * MEGABYTE
    assert len(in_use) == 100
