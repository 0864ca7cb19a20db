"""Do an audit's intervals cover the truth, and how often is a fair judge alarmed about?

    python benchmarks/audit.py [--judges 1000] [--seed 0]

One judge after another is drawn with faults of its own (accuracy, position, length, sharpness,
self-contradiction, unparsed and flipped verdicts; 60 to 300 prompts that share pairs) and audited once.
Every 95 % interval is held against what a boundless audit would find. Then as many fair judges, each within
the default thresholds, some of them at a limit, go through the gate.
"""

import argparse
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from audited_judges import Cover

ROOT = Path(__file__).parent.parent
LOWEST, HIGHEST = 0.93, 0.97


def lines(covers: "Mapping[str, Cover]", false_alarms: float) -> Iterator[str]:
    for name, cover in covers.items():
        holds = LOWEST <= cover.inside <= HIGHEST
        yield f"bar: audit-coverage-{name} {cover.inside:.3f} {LOWEST}-{HIGHEST} {'ok' if holds else 'short'}"
    yield f"bar: audit-false-alarms {false_alarms:.3f} <=0.05 {'ok' if false_alarms <= 0.05 else 'short'}"


def main() -> None:
    from audited_judges import alarms, coverage

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--judges", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    start = time.monotonic()
    covers = coverage(arguments.judges, arguments.seed)
    print("| measure | truth inside | interval above it | interval below it | mean width |")
    print("| --- | --- | --- | --- | --- |")
    for name, cover in covers.items():
        print(f"| {name} | {cover.inside:.3f} | {cover.above:.3f} | {cover.below:.3f} | {cover.width:.3f} |")
    failed = alarms(arguments.judges, arguments.seed)
    print(f"\nFair judges that fail, by check: {failed}")
    print(f"{arguments.judges} judges twice, {time.monotonic() - start:.0f} s\n")
    print("\n".join(lines(covers, failed["any"])))


if __name__ == "__main__":
    sys.path += [str(ROOT), str(ROOT / "tests")]
    main()
