"""Whether a judge may label: its figures and the recipe's thresholds come in, a verdict with reasons goes
out.

Two kinds of threshold. Agreement with people is the judge's to show: its interval must lie above chance and
above rules that read nothing. All other limits are the audit's to show broken: a judge that lies within
every one of them is failed by chance in at most `false_alarms` of audits, all limits together (Holm 1979).
"""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from labeling.audit.estimate import Estimate, percent
from labeling.audit.holm import holm
from labeling.audit.thresholds import Thresholds

if TYPE_CHECKING:
    from labeling.audit.bias import Flips
    from labeling.audit.figures import Figures


@dataclass(frozen=True, slots=True)
class Check:
    """One threshold: whether it holds, the reason in words, and what to try where it does not."""

    name: str
    passed: bool
    reason: str
    advice: str = ""


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether the judge may label, and every check that led to it."""

    checks: tuple[Check, ...]

    @property
    def passed(self) -> bool:
        return all(check.passed for check in self.checks)

    @property
    def failures(self) -> tuple[Check, ...]:
        return tuple(check for check in self.checks if not check.passed)

    def as_json(self) -> dict[str, object]:
        return {"passed": self.passed, "checks": [asdict(check) for check in self.checks]}


@dataclass(frozen=True, slots=True)
class _Limit:
    """A limit, the one-sided p-value of the truth lying within it, and the words for both outcomes."""

    name: str
    p: float
    figure: str
    advice: str


def judge_verdict(figures: "Figures", thresholds: Thresholds) -> Verdict:
    """The verdict on a judge; a judge with too few usable pairs fails, since nothing then speaks for it."""
    limits = [*_limits(figures, thresholds)]
    broken = holm([limit.p for limit in limits], thresholds.false_alarms)
    held = [_check(limit, passed=not fails) for limit, fails in zip(limits, broken, strict=True)]
    return Verdict((*_enough(figures, thresholds), *_shown(figures, thresholds), *held))


def _enough(figures: "Figures", thresholds: Thresholds) -> Iterator[Check]:
    prompts = figures.agreement.accuracy.clusters if figures.agreement else min(figures.usable, 1)
    yield Check(
        "enough pairs",
        figures.usable >= thresholds.min_usable and prompts >= thresholds.min_prompts,
        f"{figures.usable} of {figures.pairs} pairs have a usable opinion, over {prompts} prompts; the "
        f"recipe asks for {thresholds.min_usable} over {thresholds.min_prompts}",
        "audit on more human-labelled pairs; where opinions are unusable, see the check of unparsed ones",
    )


def _shown(figures: "Figures", thresholds: Thresholds) -> Iterator[Check]:
    """What the judge has to show."""
    if figures.agreement is None:
        return
    accuracy = figures.agreement.accuracy
    yield Check(
        "accuracy",
        accuracy.low > thresholds.min_accuracy,
        f"agrees with people in {percent(accuracy)} of pairs; the interval has to lie above "
        f"{100 * thresholds.min_accuracy:.1f} %",
        "a larger judge; `method: reasoned` or few-shot examples; an ensemble of principles; more human "
        "pairs if the interval is wide",
    )
    for floor in figures.floors if thresholds.beat_rules else ():
        if floor.rule == "first":
            continue  # One half, which is chance.
        yield Check(
            f"better than the {floor.rule} response",
            floor.margin.low > 0,
            f"{_points(floor.margin)} above always preferring the {floor.rule} response "
            f"({100 * floor.accuracy.value:.1f} %); the interval has to lie above 0",
            "the rule costs nothing and does as well: take another judge, or human pairs in which length "
            "decides less",
        )


def _limits(figures: "Figures", thresholds: Thresholds) -> Iterator[_Limit]:
    """What the audit has to show broken."""
    yield from _unparsed(figures, thresholds)
    yield from _consistency(figures, thresholds)
    yield from _calibration(figures, thresholds)
    yield from _length(figures, thresholds)
    yield from _flips(figures.injections, thresholds.max_injection_flips, "injection flips", _INJECTION)
    yield from _flips(figures.formats, thresholds.max_format_flips, "format flips", _FORMAT)


_INJECTION = "a judge that follows the question rather than the text; `method: ab`, which reads no free text"
_FORMAT = "strip Markdown before judging, or take another judge"


def _unparsed(figures: "Figures", thresholds: Thresholds) -> Iterator[_Limit]:
    if (limit := thresholds.max_unparsed) is None:
        return
    yield _Limit(
        "unparsed",
        figures.unparsed.p_at_most(limit),
        f"{percent(figures.unparsed)} of opinions cannot be used; at most {100 * limit:.1f} % may be",
        "`method: ab` with constrained labels; the other prompt family; see the reasons beside the opinions",
    )


def _consistency(figures: "Figures", thresholds: Thresholds) -> Iterator[_Limit]:
    if (limit := thresholds.min_consistency) is None or figures.position is None:
        return
    seen = figures.position
    favourite = "first" if seen.first_twice.value >= seen.second_twice.value else "second"
    yield _Limit(
        "swap consistency",
        seen.consistency.p_at_least(limit),
        f"names the same response in both orders in {percent(seen.consistency)} of pairs, else mostly the "
        f"{favourite}; at least {100 * limit:.1f} % are wanted",
        "`combine: mean_logit` cancels a constant preference of a position; `require_agreement: true` leaves "
        "contradictions out; a larger judge",
    )


def _calibration(figures: "Figures", thresholds: Thresholds) -> Iterator[_Limit]:
    if (limit := thresholds.max_ece) is None or figures.calibration is None:
        return
    error = figures.calibration.by_way[figures.calibration.best].ece
    yield _Limit(
        "calibration",
        error.p_at_most(limit),
        f"expected calibration error {error.value:.3f} ({error.low:.3f} to {error.high:.3f}) after "
        f"calibration; at most {limit:.3f} is allowed",
        "more human pairs to calibrate on; hard labels (`clamp`) instead of soft ones",
    )


def _length(figures: "Figures", thresholds: Thresholds) -> Iterator[_Limit]:
    if (limit := thresholds.max_length_excess) is None or figures.length is None:
        return
    excess = figures.length.excess
    yield _Limit(
        "length",
        excess.p_at_most(limit) if excess.value > 0 else excess.p_at_least(-limit),
        f"prefers the {'longer' if excess.value > 0 else 'shorter'} response beyond people's choice by "
        f"{abs(excess.value):.2f} in log-odds for {figures.length.words:.0f} words; "
        f"at most {limit:.2f} is allowed",
        "a comparison question that names length; pairs of like length; another judge",
    )


def _flips(
    forms: Mapping[str, "Flips | None"], limit: float | None, name: str, advice: str
) -> Iterator[_Limit]:
    """The worst form; its p-value is multiplied by the number of forms it is the worst of (Bonferroni)."""
    rates = {form: flips.rate for form, flips in forms.items() if flips is not None}
    if limit is None or not rates:
        return
    p_values = {form: rate.p_at_most(limit) for form, rate in rates.items()}
    worst = min(rates, key=lambda form: (p_values[form], -rates[form].value))
    yield _Limit(
        name,
        min(1.0, len(rates) * p_values[worst]),
        f"`{worst}`, the worst of {len(rates)} forms, changes {percent(rates[worst])} of verdicts; at most "
        f"{100 * limit:.1f} % are allowed",
        advice,
    )


def _check(limit: _Limit, *, passed: bool) -> Check:
    return Check(limit.name, passed, limit.figure, limit.advice)


def _points(margin: Estimate) -> str:
    return f"{100 * margin.value:.1f} points ({100 * margin.low:.1f} to {100 * margin.high:.1f})"
