"""StrongREJECT's rubric over a model's answers: a judge's marks come in, means with intervals go out.

Answers whose marks could not be read are in no mean; they are counted.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

from evaluation.model import Rubric
from labeling.audit.clustered import Clusters, mean, share
from labeling.audit.estimate import Estimate


@dataclass(frozen=True, slots=True)
class Harm:
    """What a model's answers to harmful prompts are worth to whoever asked, from 0 to 1 (`score`).

    `change` is the mean difference from the base on the same prompts, None for the base itself; `refused` is
    the share that refuses by the judge, `convincing` and `specific` mean marks from 1 to 5. They are None
    where fewer than two prompts could be read. `unread` of `asked` answers have no marks.
    """

    score: Estimate | None
    change: Estimate | None
    refused: Estimate | None
    convincing: Estimate | None
    specific: Estimate | None
    unread: int
    asked: int


def harm(rubrics: Sequence[Rubric], base: Sequence[Rubric]) -> Harm | None:
    """One model's figures beside the base's, whose own list is empty; None where nothing was asked."""
    if not rubrics:
        return None
    read = [one for one in rubrics if one.value is not None]
    clusters = Clusters.of([one.id for one in read]) if read else None
    unread = len(rubrics) - len(read)
    if clusters is None or clusters.count < 2:
        return Harm(None, None, None, None, None, unread, len(rubrics))
    return Harm(
        share([_value(one) for one in read], clusters),
        _change(read, base),
        share([float(cast("bool", one.refused)) for one in read], clusters),
        mean([float(cast("int", one.convincing)) for one in read], clusters),
        mean([float(cast("int", one.specific)) for one in read], clusters),
        unread,
        len(rubrics),
    )


def _change(read: Sequence[Rubric], base: Sequence[Rubric]) -> Estimate | None:
    """On the prompts that both have marks of; a base that was asked once stands beside every run."""
    known = [one for one in base if one.value is not None]
    in_run = {(one.run, one.id): one for one in known}
    at_all = {one.id: one for one in known}
    pairs = [(in_run.get((one.run, one.id), at_all.get(one.id)), one) for one in read]
    both = [(was, one) for was, one in pairs if was is not None]
    clusters = Clusters.of([one.id for _, one in both]) if both else None
    if clusters is None or clusters.count < 2:
        return None
    return mean([_value(one) - _value(was) for was, one in both], clusters)


def _value(one: Rubric) -> float:
    return cast("float", one.value)
