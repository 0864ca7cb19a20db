"""A process of its own that compares mathematical answers, one pair of them a line; run as a script.

In: lines of JSON, `[reference, answer]`. Out: `true` or `false` for each, after a first line that says that
it is ready. It may be ended at any time: an expression can take for ever to simplify, and the one who asks
keeps the time. It knows nothing of Solon, so that it starts with the library alone.
"""

import json
import logging
import resource
import sys
from typing import Any


def main(memory_mb: int) -> None:
    from math_verify import verify

    logging.disable(logging.CRITICAL)
    resource.setrlimit(resource.RLIMIT_AS, (memory_mb * 2**20, memory_mb * 2**20))
    told = sys.stdout
    sys.stdout = sys.stderr
    print("ready", file=told, flush=True)
    for line in sys.stdin:
        reference, answer = json.loads(line)
        try:
            equal = bool(verify(read(reference), read(answer), strict=True, timeout_seconds=None))
        except Exception:  # whatever an expression does to the library, it is not equal
            equal = False
        print(json.dumps(equal), file=told, flush=True)


def read(text: str) -> list[Any]:
    """The expression, as LaTeX, or else as it is written plainly; nothing where it is neither."""
    from math_verify import ExprExtractionConfig, LatexExtractionConfig, parse

    # Its own clock is a signal that an expression may never let through; zero stops it.

    bare = text.strip().strip("$").strip()
    found = parse(f"${bare}$", [LatexExtractionConfig()], parsing_timeout=0)
    return found or parse(bare, [ExprExtractionConfig()], parsing_timeout=0)


if __name__ == "__main__":
    main(int(sys.argv[1]))
