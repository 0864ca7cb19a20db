"""Do a report's intervals cover the truth, and how often is chance called a change?

    python benchmarks/intervals.py [--evaluations 1000] [--seed 0]

One evaluation after another is drawn (40 to 250 prompts, one run or three, prompts that hang together little
or much) with shares, changes, preferences, ratings, divergences and rewards that are known, and every 95 %
interval is held against them. A plain percentile bootstrap over prompts is shown beside the shares' own
intervals. Then as many evaluations in which nothing changed.
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
LOWEST, HIGHEST, ALARMS = 0.93, 0.97, 0.05


def lines(covers: "Mapping[str, Cover]", alarms: Mapping[str, float]) -> Iterator[str]:
    for name, one in covers.items():
        if "plain" not in name:
            verdict = "ok" if LOWEST <= one.inside <= HIGHEST else "short"
            yield f"bar: report-coverage-{name} {one.inside:.3f} {LOWEST}-{HIGHEST} {verdict}"
    for name, rate in alarms.items():
        said = name.replace(" ", "-")
        yield f"bar: report-false-alarms-{said} {rate:.3f} <={ALARMS} {'ok' if rate <= ALARMS else 'short'}"


def main() -> None:
    from simulated_evaluations import coverage, false_alarms

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--evaluations", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    start = time.monotonic()
    covers = coverage(arguments.evaluations, arguments.seed)
    print("| measure | truth inside | interval above it | interval below it | mean width |")
    print("| --- | --- | --- | --- | --- |")
    for name, one in covers.items():
        print(f"| {name} | {one.inside:.3f} | {one.above:.3f} | {one.below:.3f} | {one.width:.3f} |")
    alarms = false_alarms(arguments.evaluations, arguments.seed)
    print(f"\n{arguments.evaluations} evaluations twice, {time.monotonic() - start:.0f} s\n")
    print("\n".join(lines(covers, alarms)))


if __name__ == "__main__":
    sys.path += [str(ROOT), str(ROOT / "tests")]
    main()
