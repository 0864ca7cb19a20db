"""One model's figures: an evaluation and one of its results come in, `CheckpointFigures` go out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from statistics import fmean
from typing import get_args

from evaluation.figures.change import Change
from evaluation.figures.harm import Harm, harm
from evaluation.figures.rates import (
    Marks,
    Rate,
    by_category,
    grades,
    marks,
    of_suite,
    paired,
    rates,
)
from evaluation.figures.rewards import ScoreChange, kl, score_changes
from evaluation.figures.wins import Wins, wins
from evaluation.measures import (
    Phrase,
    TextStatistics,
    most_overused,
    text_statistics,
    words,
)
from evaluation.model import CheckpointKind, Comparison, Evaluation, Graded, ModelResult, Score, SuiteKind
from labeling.audit.clustered import Clusters, mean
from labeling.audit.estimate import Estimate

KINDS: tuple[SuiteKind, ...] = get_args(SuiteKind)


@dataclass(frozen=True, slots=True)
class Texts:
    """How a model's answers to one kind of prompt read, beside the base's.

    `longer` is the mean difference in words on the same prompts; None for the base. `overused` is the phrase
    that became commoner most.
    """

    statistics: TextStatistics
    longer: Estimate | None
    overused: Phrase | None


@dataclass(frozen=True, slots=True)
class CheckpointFigures:
    """All that is known of one model. Mappings are empty, and values None, where nothing was recorded.

    `marks` are what its shares are taken of. `wins` are those against the base, by the judge's name; `elo`
    stands in `Figures`, since it takes all models. `unread` counts answers that the grader does not read,
    where a grade is what counts.
    """

    name: str
    kind: CheckpointKind
    runs: tuple[str, ...]
    marks: Marks
    rates: Mapping[str, Rate]
    suites: Mapping[str, Mapping[str, Rate]]
    categories: Mapping[str, Mapping[str, Rate]]
    grades: Mapping[SuiteKind, Mapping[str, Estimate]]
    texts: Mapping[SuiteKind, Texts]
    wins: Mapping[str, Wins]
    kl: Estimate | None
    scores: Mapping[str, ScoreChange]
    strongreject: Harm | None
    unread: int

    @property
    def trained(self) -> bool:
        """Whether it is a model of its own that was made of the base, and no step on the way."""
        return self.kind not in ("base", "control", "step")

    def change(self, measure: str) -> Change | None:
        found = self.rates.get(measure)
        return found.change if found else None


def checkpoint_figures(evaluation: Evaluation, result: ModelResult) -> CheckpointFigures:
    """The figures of one of the evaluation's results; the first result is the base."""
    base = evaluation.results[0]
    before = None if result is base else base.graded
    scores, was = (_scores(evaluation, each) for each in (result, base))
    its, of_base = marks(result.graded, scores), None if result is base else marks(base.graded, was)
    return CheckpointFigures(
        name=result.name,
        kind=result.kind,
        runs=result.runs,
        marks=its,
        rates=rates(its, of_base),
        suites=_by_suite(result, its, of_base),
        categories=by_category(its, of_base),
        grades={kind: found for kind in KINDS if (found := grades(result.graded, kind))},
        texts={kind: found for kind in KINDS if (found := _texts(result, before, kind))},
        wins=_wins(evaluation, result.name, base.name),
        kl=kl([one for one in evaluation.divergences if one.model == result.name]),
        scores=score_changes(scores, [] if result is base else was),
        strongreject=harm(
            [one for one in evaluation.rubrics if one.model == result.name],
            [] if result is base else [one for one in evaluation.rubrics if one.model == base.name],
        ),
        unread=sum(not one.scored and one.answer.kind != "verifiable" for one in result.graded),
    )


def _scores(evaluation: Evaluation, result: ModelResult) -> list[Score]:
    return [one for one in evaluation.scores if one.model == result.name]


def _by_suite(result: ModelResult, its: Marks, base: Marks | None) -> Mapping[str, Mapping[str, Rate]]:
    """Every measure on each suite alone, where a kind has several suites."""
    suites: dict[SuiteKind, list[str]] = {}
    for one in result.graded:
        names = suites.setdefault(one.answer.kind, [])
        if one.answer.suite not in names:
            names.append(one.answer.suite)
    return {
        name: found
        for names in suites.values()
        if len(names) > 1
        for name in names
        if (found := rates(of_suite(its, name), base))
    }


def _texts(result: ModelResult, before: Sequence[Graded] | None, kind: SuiteKind) -> Texts | None:
    its = result.of_kind(kind)
    if not its:
        return None
    pairs = paired(its, before) if before is not None else []
    longer = _longer(pairs) if pairs else None
    was, now = ([pair[place].answer.response for pair in pairs] for place in (0, 1))
    return Texts(_statistics(its), longer, most_overused(was, now))


def _longer(pairs: Sequence[tuple[Graded, Graded]]) -> Estimate | None:
    clusters = Clusters.of([one.answer.id for _, one in pairs])
    if clusters.count < 2:
        return None
    return mean(
        [len(words(one.answer.response)) - len(words(was.answer.response)) for was, one in pairs], clusters
    )


def _statistics(graded: Sequence[Graded]) -> TextStatistics:
    """Each run's own statistics, averaged: variety among the answers of several runs is another thing."""
    runs: dict[str, list[Graded]] = {}
    for one in graded:
        runs.setdefault(one.answer.run, []).append(one)
    each = [_of_one_run(ones) for ones in runs.values()]
    if len(each) == 1:
        return each[0]
    numbers = {
        field.name: fmean(getattr(one, field.name) for one in each)
        for field in fields(TextStatistics)
        if field.type in (float, "float")
    }
    distinct = {size: fmean(one.distinct[size] for one in each) for size in each[0].distinct}
    return replace(each[0], n=len(graded), distinct=distinct, **numbers)


def _of_one_run(graded: Sequence[Graded]) -> TextStatistics:
    answers = [one.answer for one in graded]
    return text_statistics(
        [one.response for one in answers],
        [one.completion_tokens for one in answers],
        cut_off=[one.finish_reason == "length" for one in answers],
    )


def _wins(evaluation: Evaluation, name: str, base: str) -> Mapping[str, Wins]:
    """By judge, against the base, on the prompts that are about being helpful."""
    its = [one for one in helpfulness(evaluation.comparisons) if (one.model, one.against) == (name, base)]
    judges = dict.fromkeys(one.judge for one in its)
    found = {judge: wins([one for one in its if one.judge == judge]) for judge in judges}
    return {judge: one for judge, one in found.items() if one is not None}


def helpfulness(comparisons: Sequence[Comparison]) -> list[Comparison]:
    """Comparisons on helpful prompts; on all that ought to be answered where no suite is for helpfulness."""
    for kinds in (("helpful",), ("harmless", "verifiable")):
        found = [one for one in comparisons if one.kind in kinds]
        if found:
            return found
    return []
