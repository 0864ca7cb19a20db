"""Do published verdicts give the published figures, when this project's own code reads and counts them?

    python benchmarks/parity.py [--judgebench FOLDER] [--alpaca-eval FOLDER]

Each folder is a user's own clone: ScalerLab/JudgeBench, with `outputs/`, and tatsu-lab/alpaca_eval, with
`results/` and `src/alpaca_eval/leaderboards/`. JudgeBench's judges go through the loader of recorded verdicts
and an audit's figures, AlpacaEval's annotations through opinions and their mean; both are held against what
was published. Files that a clone lacks are passed over and told. No model is loaded. Prints a table, and a
line each: `bar: WHAT VALUE TARGET ok|short`.

JudgeBench counts a pair as right where more of its two verdicts name the right response than the other one
(Tan et al. 2024), a tie as wrong. An audit's accuracy gives a tie half a point, so right = accuracy - ties /
2n where no verdict is missing.
"""

import argparse
import csv
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from labeling.audit.agreement import clusters_of, sign
from labeling.audit.clustered import mean
from labeling.audit.figures import figures
from labeling.audit.model import Opinion
from labeling.audit.opinion import opinion_of
from labeling.audit.recorded import Recorded, load_recorded
from labeling.settings import LabelingSettings

KINDS = ("mmlu-pro", "livebench-reasoning", "livebench-math", "livecodebench", "")
"""How the sources of JudgeBench's tables begin: knowledge, reasoning, mathematics, coding, and all."""

JUDGEBENCH: Mapping[str, tuple[float, ...]] = {
    "judge_name=arena_hard,judge_model=o1-mini-2024-09-12": (58.44, 62.24, 82.14, 78.57, 65.71),
    "judge_name=reward_model,judge_model=Skywork_Skywork-Reward-Gemma-2-27B": (
        59.74, 66.33, 83.93, 50.00, 64.29,
    ),
    "judge_name=reward_model,judge_model=Skywork_Skywork-Reward-Llama-3.1-8B": (
        59.09, 64.29, 76.79, 50.00, 62.29,
    ),
    "judge_name=reward_model,judge_model=internlm_internlm2-20b-reward": (62.34, 69.39, 66.07, 50.00, 63.43),
    "judge_name=reward_model,judge_model=internlm_internlm2-7b-reward": (56.49, 61.22, 71.43, 50.00, 59.43),
    "judge_name=reward_model,judge_model=Ray2333_GRM-Gemma-2B-rewardmodel-ft": (
        62.99, 53.06, 64.29, 54.76, 59.43,
    ),
}  # fmt: skip
"""Accuracy in percent on the pairs of GPT-4o, one of each of `KINDS`: Tan et al. 2024 (arXiv 2410.12784)."""
RESPONSES = "response_model=gpt-4o-2024-05-13"
CONSISTENT_JUDGE, CONSISTENT = "o1-mini-2024-09-12", 68.6
"""How often o1-mini's two verdicts on a pair are the same one, in percent."""

ALPACA_EVAL: Mapping[str, str] = {
    "weighted_alpaca_eval_gpt4_turbo": "data_AlpacaEval_2/weighted_alpaca_eval_gpt4_turbo_leaderboard.csv",
    "alpaca_eval_gpt4": "data_AlpacaEval/alpaca_eval_gpt4_leaderboard.csv",
}
"""Annotators, and the leaderboard that each one made."""
CLOSE = 1e-6
"""Percentage points: what was published has all digits of a float."""


@dataclass(frozen=True, slots=True)
class WinRate:
    """In percent, of one model under one annotator."""

    value: float
    error: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--judgebench", type=Path)
    parser.add_argument("--alpaca-eval", type=Path)
    given = parser.parse_args()
    if not (given.judgebench or given.alpaca_eval):
        parser.error("name a clone: --judgebench FOLDER, --alpaca-eval FOLDER")
    lines = [*judgebench(given.judgebench)] if given.judgebench else []
    lines += alpaca_eval(given.alpaca_eval) if given.alpaca_eval else []
    print("\n".join(lines))


def judgebench(clone: Path) -> Iterator[str]:
    """The bars of every judge whose file and published figures are there."""
    files = sorted((clone / "outputs").glob("*.jsonl"))
    if not files:
        raise SystemExit(f"{clone}: has no outputs/*.jsonl")
    print(
        "| judge | pairs | right, % | accuracy, ties half | kappa | same response in both orders | unparsed |"
    )
    print("| --- | ---: | ---: | ---: | ---: | ---: | ---: |")
    for file in files:
        name = file.name.removesuffix(".jsonl").partition(",judge_name=")[2]
        recorded = load_recorded([file], LabelingSettings())
        ones = opinions(recorded)
        _row(name, ones)
        published = JUDGEBENCH.get(f"judge_name={name}")
        if published and RESPONSES in file.name:
            yield from _judge_bars(name.partition("judge_model=")[2], ones, published)
    missing = len(JUDGEBENCH) - sum(any(judge in file.name for file in files) for judge in JUDGEBENCH)
    if missing:
        print(f"{missing} of {len(JUDGEBENCH)} judges with published figures have no file here")


def opinions(recorded: Recorded) -> list[Opinion]:
    return [opinion_of(each.pair, each.judgment) for each in recorded.audited]


def right(ones: Sequence[Opinion]) -> float:
    """JudgeBench's accuracy, in percent: a missing verdict says nothing for either response."""
    return 100 * sum(_votes(one) > 0 for one in ones) / len(ones)


def _votes(one: Opinion) -> float:
    """Verdicts for people's choice less those for the other one."""
    return sum(2 * sign(said) - 1 for said in (one.chosen_first, one.chosen_second) if said is not None)


def same_verdict(ones: Sequence[Opinion]) -> float:
    """The share of pairs whose two verdicts are the same one, ties too, in percent."""
    return 100 * sum(_order(one.chosen_first) == _order(one.chosen_second) for one in ones) / len(ones)


def _order(said: float | None) -> float | None:
    return None if said is None else sign(said)


def _row(name: str, ones: Sequence[Opinion]) -> None:
    found = figures(ones)
    if found.agreement is None or found.position is None:
        raise SystemExit(f"{name}: fewer than two prompts have a usable verdict")
    agreement, position = found.agreement, found.position
    print(
        f"| {name} | {found.pairs} | {right(ones):.2f} | {100 * agreement.accuracy.value:.2f} "
        f"({100 * agreement.accuracy.low:.1f} to {100 * agreement.accuracy.high:.1f}) "
        f"| {agreement.kappa.value:.3f} | {100 * position.consistency.value:.1f} % "
        f"| {100 * found.unparsed.value:.1f} % |"
    )


def _judge_bars(judge: str, ones: Sequence[Opinion], published: Sequence[float]) -> Iterator[str]:
    found = figures(ones).agreement
    if found is not None and len(ones) == found.accuracy.n:
        counted = 100 * (found.accuracy.value - found.ties / (2 * len(ones)))
        yield _bar(f"judgebench-{judge}-by-figures", counted, published[-1], digits=2)
    for kind, target in zip(KINDS, published, strict=True):
        of_kind = [one for one in ones if one.kind.startswith(kind)]
        yield _bar(f"judgebench-{judge}-{kind or 'all'}", right(of_kind), target, digits=2)
    if judge == CONSISTENT_JUDGE:
        yield _bar(f"judgebench-{judge}-consistency", same_verdict(ones), CONSISTENT, digits=1)


def _bar(what: str, value: float, target: float, *, digits: int) -> str:
    holds = round(value, digits) == target
    return f"bar: {what} {value:.{digits}f} =={target:.{digits}f} {'ok' if holds else 'short'}"


def alpaca_eval(clone: Path) -> Iterator[str]:
    """One bar for each leaderboard: of how many models win rate and standard error come out as published."""
    for annotator, board in ALPACA_EVAL.items():
        published = _leaderboard(clone / "src" / "alpaca_eval" / "leaderboards" / board)
        ours = {
            file.relative_to(clone / "results").parts[0]: win_rate(file)
            for file in sorted(clone.glob(f"results/*/{annotator}/annotations.json"))
        }
        known = {name: found for name, found in ours.items() if name in published}
        if not known:
            raise SystemExit(f"{clone}: has no results/*/{annotator}/annotations.json of a published model")
        off = [name for name, found in known.items() if not _alike(found, published[name])]
        for name in off:
            print(f"{annotator}, {name}: {known[name]} here, {published[name]} published")
        print(f"{annotator}: {len(published)} models published, {len(known)} of them have annotations here")
        verdict = "short" if off else "ok"
        yield f"bar: alpaca-eval-{annotator} {len(known) - len(off)} =={len(known)} {verdict}"


def win_rate(annotations: Path) -> WinRate:
    """The mean of P(the model's output is better), `preference` - 1, over the annotated instructions."""
    rows = json.loads(annotations.read_text(encoding="utf-8"))
    ones = [_preferred(row, number) for number, row in enumerate(rows) if row["preference"] is not None]
    found = mean([one.probability or 0.0 for one in ones], clusters_of(ones))
    return WinRate(100 * found.value, 100 * found.error)


def _preferred(row: Mapping[str, object], number: int) -> Opinion:
    """The opinion on the model's output against the baseline's; files of the first year write 0 for a tie."""
    preference = float(str(row["preference"]))
    probability = 0.5 if preference == 0 else preference - 1
    chosen, rejected = (len(str(row[name]).split()) for name in ("output_2", "output_1"))
    return Opinion(
        str(number), str(number), None, None, probability, chosen_words=chosen, rejected_words=rejected
    )


def _leaderboard(file: Path) -> dict[str, WinRate]:
    with file.open(encoding="utf-8", newline="") as rows:
        return {
            row[""]: WinRate(float(row["win_rate"]), float(row["standard_error"]))
            for row in csv.DictReader(rows)
        }


def _alike(ours: WinRate, published: WinRate) -> bool:
    return abs(ours.value - published.value) < CLOSE and abs(ours.error - published.error) < CLOSE


if __name__ == "__main__":
    main()
