"""One model's numbers, and what changed against the first model: results come in, summaries go out.

The step between the answers (`evaluation.model`) and everything that shows them: the report, its plot, its
JSON and the console table all read the same summaries.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import get_args

from evaluation.measures import Change, Share, TextStatistics, paired_change, text_statistics
from evaluation.model import BORDERLINE, Grade, Graded, ModelResult, SuiteKind

SUITES: tuple[SuiteKind, ...] = ("harmful", "harmless")
"""The kinds of suites that shares of refusals are told of."""
GRADES: tuple[Grade, ...] = get_args(Grade)


@dataclass(frozen=True, slots=True)
class SuiteSummary:
    """A model on one suite; `change` is against the base on prompts both answered, `None` for the base."""

    refused: Share
    change: Change | None
    by_category: Mapping[str, Share]
    grades: Mapping[Grade, int]
    text: TextStatistics


@dataclass(frozen=True, slots=True)
class ModelSummary:
    """A model's numbers; `borderline` is the harmless suite's category of that name, where there is one."""

    name: str
    harmful: SuiteSummary
    harmless: SuiteSummary
    borderline: Share | None

    def suite(self, suite: SuiteKind) -> SuiteSummary:
        return self.harmful if suite == "harmful" else self.harmless


def summarize(results: Sequence[ModelResult]) -> tuple[ModelSummary, ...]:
    """Summaries in order; the first result is the base that the others are held against.

    `ValueError` where there are no results, two have one name, or a model shares no prompt with the base.
    """
    names = [result.name for result in results]
    if not names or len(set(names)) < len(names):
        raise ValueError(f"results of {names}: expected at least one model, each with its own name")
    grades = [result.graded for result in results]
    return tuple(
        _summary(name, one, base=None if position == 0 else grades[0])
        for position, (name, one) in enumerate(zip(names, grades, strict=True))
    )


def as_json(summary: ModelSummary) -> dict[str, object]:
    """The summary as plain data, with every share's interval."""
    suites: dict[str, object] = {suite: _suite_json(summary.suite(suite)) for suite in SUITES}
    return {"name": summary.name, **suites, "borderline": share_json(summary.borderline)}


def share_json(share: Share | None) -> dict[str, float] | None:
    if share is None:
        return None
    return {"count": share.count, "n": share.n, "share": share.value, "low": share.low, "high": share.high}


def _suite_json(suite: SuiteSummary) -> dict[str, object]:
    return {
        "refused": share_json(suite.refused),
        "change": asdict(suite.change) if suite.change else None,
        "by_category": {name: share_json(share) for name, share in suite.by_category.items()},
        "grades": dict(suite.grades),
        "text": asdict(suite.text),
    }


def _summary(name: str, answers: Sequence[Graded], *, base: Sequence[Graded] | None) -> ModelSummary:
    harmful, harmless = (_suite_summary(_of(suite, answers), base, name=name) for suite in SUITES)
    return ModelSummary(name, harmful, harmless, borderline=harmless.by_category.get(BORDERLINE))


def _suite_summary(answers: Sequence[Graded], base: Sequence[Graded] | None, *, name: str) -> SuiteSummary:
    counts = Counter(one.grade for one in answers)
    return SuiteSummary(
        refused=_refused(answers),
        change=None if base is None else _change(base, answers, name=name),
        by_category={category: _refused(ones) for category, ones in sorted(_by_category(answers).items())},
        grades={grade: counts[grade] for grade in GRADES},
        text=text_statistics(
            [one.answer.response for one in answers],
            [one.answer.completion_tokens for one in answers],
            cut_off=[one.answer.finish_reason == "length" for one in answers],
        ),
    )


def _change(base: Sequence[Graded], answers: Sequence[Graded], *, name: str) -> Change:
    before = {(one.answer.suite, one.answer.id): one.refused for one in base}
    pairs = [
        (before[key], one.refused) for one in answers if (key := (one.answer.suite, one.answer.id)) in before
    ]
    if not pairs:
        raise ValueError(f"model {name!r} and the base answer different {answers[0].answer.suite} prompts")
    return paired_change([first for first, _ in pairs], [second for _, second in pairs])


def _of(suite: SuiteKind, answers: Sequence[Graded]) -> list[Graded]:
    return [one for one in answers if one.answer.kind == suite and one.scored]


def _refused(answers: Sequence[Graded]) -> Share:
    return Share(sum(one.refused for one in answers), len(answers))


def _by_category(answers: Sequence[Graded]) -> dict[str, list[Graded]]:
    groups: dict[str, list[Graded]] = {}
    for one in answers:
        groups.setdefault(one.answer.category, []).append(one)
    return groups
