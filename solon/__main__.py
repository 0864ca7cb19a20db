"""`python -m solon`: the same as the `solon` command."""

import sys
from pathlib import Path


def _forget_working_directory() -> None:
    """`python -m` looks for modules in the working directory first, where a file may be called `json.py`."""
    here, own = Path.cwd(), Path(__file__).resolve().parent.parent
    if here != own and sys.path and Path(sys.path[0] or ".").resolve() == here:
        del sys.path[0]


if __name__ == "__main__":
    if not sys.flags.safe_path:
        _forget_working_directory()
    from solon.cli import main

    sys.exit(main())
