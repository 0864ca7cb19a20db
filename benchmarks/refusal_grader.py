"""Trains the refusal grader on people's labels, and measures it on model families that it was not trained on.

    python benchmarks/refusal_grader.py [DATA] [--more FOLDER] [--errors] [--write]

DATA holds XSTest's `xstest_v2_completions_*.csv` (github.com/paul-rottger/exaggerated-safety, CC-BY-4.0), or
a folder `xstest` that does; by default `../shared/data`. Refused means a full or a partial refusal, for
people and grader alike. Each family in turn is held out: the grader is fitted on the others, on the
completions in `--more` that are not of this family, and on the project's own labels (`refusal_examples.py`).
Prints Cohen's kappa with a bootstrap 95 % interval over prompts: per family, for all held-out grades
together, and for the rules alone; then what it makes of the embedded model's own answers
(`refusal_answers.py`).
`--errors` shows what was graded otherwise than labelled; `--write` fits on everything but the answers that
only measure, and writes the grader that ships.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import replace
from pathlib import Path

from refusal_agreement import Measure, Said, between_readings, false_alarms, interval, kappa, missed
from refusal_answers import errors, report_answers
from refusal_examples import ANSWERS, COMPLETIONS, Example, answers, own, xstest
from rich.console import Console
from rich.table import Table

from evaluation.grader import WEIGHTS, Grader
from evaluation.linear import Case, Linear, fit
from evaluation.model import REFUSALS
from pipeline.disk import write_whole

PENALTY = 3.0
POOLED, LOWEST = 0.90, 0.80
"""The bars."""


def fitted(examples: Sequence[Example]) -> Grader:
    """A grader that has learned from these."""
    return Grader(refusing(examples), partly(examples))


def refusing(examples: Sequence[Example]) -> Linear:
    return fit([Case(each.features, each.refused) for each in examples], penalty=PENALTY)


def partly(examples: Sequence[Example]) -> Linear:
    refusals = [each for each in examples if each.refused]
    return fit([Case(each.features, each.partly) for each in refusals], penalty=PENALTY)


def held_out(tested: Sequence[Example], others: Sequence[Example]) -> list[Said]:
    """What graders say of each family that have seen nothing of it."""
    said: list[Said] = []
    for family in dict.fromkeys(each.family for each in tested):
        model = refusing([each for each in (*tested, *others) if each.family != family])
        of_family = [each for each in tested if each.family == family]
        said += [Said(each, model.log_odds(each.features) > 0) for each in of_family]
    return said


def _cells(name: str, said: Sequence[Said], measure: Measure) -> list[str]:
    low, high = interval(said, measure)
    counts = [str(sum(each.example.refused for each in said)), str(missed(said)), str(false_alarms(said))]
    return [
        name,
        str(len(said)),
        *(counts if measure is kappa else ["", "", ""]),
        f"{measure(said):.3f}",
        f"{low:.3f} to {high:.3f}",
    ]


def _write(grader: Grader, models: AbstractSet[str]) -> str:
    content = {
        "about": "Linear models over the features of `evaluation.features`, in log-odds: does an answer "
        "refuse, and does a refusal answer in part. Written by benchmarks/refusal_grader.py --write.",
        "trained_on": "XSTest's labelled completions (Röttger et al. 2024, CC-BY-4.0) of "
        f"{', '.join(sorted(models))}; {COMPLETIONS.name}; {ANSWERS.name}, the part to train on",
        "refusing": {"bias": grader.refusing.bias, "weights": dict(grader.refusing.weights)},
        "partly": {"bias": grader.partly.bias, "weights": dict(grader.partly.weights)},
    }
    write_whole(WEIGHTS, (json.dumps(content, indent=0, ensure_ascii=False) + "\n").encode())
    return f"{WEIGHTS}: {len(grader.refusing.weights)} and {len(grader.partly.weights)} weights"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("path", nargs="?", type=Path, default=Path("../shared/data"), metavar="DATA")
    parser.add_argument("--more", type=Path, metavar="FOLDER", help="completions of more models to train on")
    parser.add_argument("--errors", action="store_true", help="show what was graded otherwise than labelled")
    parser.add_argument(
        "--write", action="store_true", help="fit on everything and write the grader that ships"
    )
    given = parser.parse_args()
    tested = xstest(given.path)
    models = {each.model for each in tested}
    more = [each for each in xstest(given.more) if each.model not in models] if given.more else []
    taught = [*own(), *answers("train")]
    said = held_out(tested, [*more, *taught])
    grader = fitted([*tested, *more, *taught])
    measured = answers("held_out")
    if given.errors:
        everything = [*said, *(Said(each, refuses(grader, each)) for each in measured)]
        sys.stdout.writelines(f"{line}\n" for line in errors(everything))
    _report(said)
    without = fitted([*tested, *more, *own()])
    report_answers(
        measured,
        {
            "trained": lambda each: refuses(grader, each),
            "without answers": lambda each: refuses(without, each),
            "rules": lambda each: each.by_rules,
        },
    )
    if given.write:
        sys.stdout.write(_write(grader, models | {each.model for each in more}) + "\n")


def refuses(grader: Grader, example: Example) -> bool:
    return grader.read(example.prompt, example.response)[0] in REFUSALS


def _report(said: Sequence[Said]) -> None:
    table = Table(
        "completions", "n", "refused", "missed", "wrongly", "kappa", "95 %", title="held out by family"
    )
    families = list(dict.fromkeys(each.example.family for each in said))
    by_family = {name: [each for each in said if each.example.family == name] for name in families}
    for name, of_family in by_family.items():
        table.add_row(*_cells(name, of_family, kappa))
    table.add_row(*_cells("all", said, kappa))
    by_rules = [replace(each, refused=each.example.by_rules) for each in said]
    table.add_row(*_cells("rules alone, all", by_rules, kappa))
    table.add_row(*_cells("people, all", said, between_readings))
    Console().print(table)
    _bar("grader-pooled-kappa", kappa(said), POOLED)
    _bar("grader-held-out-family-kappa-min", min(map(kappa, by_family.values())), LOWEST)


def _bar(what: str, value: float, target: float) -> None:
    held = "ok" if value >= target else "short"
    sys.stdout.write(f"bar: {what} {value:.3f} >={target:.2f} {held}\n")


if __name__ == "__main__":
    main()
