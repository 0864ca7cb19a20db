"""How far a policy has moved and what that bought it: divergences and scores come in, curves go out.

A reward that the policy was trained on (the proxy) goes on rising where rewards that it never met fall: what
parts them shows over the square root of the KL to the base (Gao et al. 2023, arXiv:2210.10760).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from evaluation.model import Divergence, Score, ScoreRole
from labeling.audit.clustered import Clusters, Numbers, mean
from labeling.audit.estimate import LEVEL, Estimate

_DRAWS = 1000
_FEWEST_POINTS = 3
_SEED = 0


@dataclass(frozen=True, slots=True)
class ScoreChange:
    """What one reward gives a model.

    `mean` is in the reward's unit; `gain` what it gives more than the base's answers to the same prompts get,
    in the base's standard deviations; None for the base.
    """

    by: str
    role: ScoreRole
    mean: Estimate
    gain: Estimate | None


@dataclass(frozen=True, slots=True)
class Point:
    """A checkpoint on the curve: `distance` is sqrt(KL), `gain` what it has more than the base."""

    name: str
    distance: float
    gain: float


@dataclass(frozen=True, slots=True)
class Interval95:
    """A fitted number with the middle 95 % of its bootstrap draws over prompts."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Curve:
    """One reward over sqrt(KL): its points, and R(d) = d (alpha - beta log d) through them and the base.

    `alpha` and `beta` are None where there are fewer than three checkpoints to fit two numbers to. `peak` is
    the distance where the fitted curve is highest, None where it never turns (beta of 0 or less).
    """

    by: str
    role: ScoreRole
    points: tuple[Point, ...]
    alpha: Interval95 | None
    beta: Interval95 | None

    @property
    def peak(self) -> float | None:
        """exp(alpha / beta - 1), where the derivative alpha - beta - beta log d is 0."""
        if self.alpha is None or self.beta is None or self.beta.value <= 0:
            return None
        return float(np.exp(min(self.alpha.value / self.beta.value - 1, 50)))

    def at(self, distance: float) -> float | None:
        """The fitted gain at a distance; None without a fit."""
        if self.alpha is None or self.beta is None:
            return None
        return float(_features(np.array([distance]))[0] @ np.array([self.alpha.value, self.beta.value]))


def kl(divergences: Sequence[Divergence]) -> Estimate | None:
    """KL to the base in nats an answer: the mean log-ratio of the model's own samples; None without any.

    Unbiased, so that a model that did not move may come out a little below 0.
    """
    clusters = Clusters.of([one.id for one in divergences]) if divergences else None
    if clusters is None or clusters.count < 2:
        return None
    return mean([one.log_ratio for one in divergences], clusters)


def score_changes(scores: Sequence[Score], base: Sequence[Score]) -> Mapping[str, ScoreChange]:
    """What each reward, by its name, gives a model, beside what it gives the base on the same prompts."""
    found: dict[str, ScoreChange] = {}
    for by in dict.fromkeys(one.by for one in scores):
        its = [one for one in scores if one.by == by]
        clusters = Clusters.of([one.id for one in its])
        if clusters.count < 2:
            continue
        own = mean([one.value for one in its], clusters)
        found[by] = ScoreChange(by, its[0].role, own, _gain(its, [one for one in base if one.by == by]))
    return found


def _gain(scores: Sequence[Score], base: Sequence[Score]) -> Estimate | None:
    before = _by_prompt(base)
    both = [(one, before[one.id]) for one in scores if one.id in before]
    clusters = Clusters.of([one.id for one, _ in both]) if both else None
    if clusters is None or clusters.count < 2:
        return None
    return mean([(one.value - was) / _spread(base) for one, was in both], clusters)


def _by_prompt(scores: Sequence[Score]) -> dict[str, float]:
    """Each prompt's mean over the runs."""
    found: dict[str, list[float]] = {}
    for one in scores:
        found.setdefault(one.id, []).append(one.value)
    return {name: float(np.mean(values)) for name, values in found.items()}


def _spread(base: Sequence[Score]) -> float:
    """The base's standard deviation, so that rewards of different units can stand side by side."""
    return float(np.std([one.value for one in base])) or 1.0


def curves(
    scores: Sequence[Score], divergences: Sequence[Divergence], *, base: str, names: Sequence[str]
) -> tuple[Curve, ...]:
    """One curve a reward, over the models of `names` that have both scores and divergences.

    Each run of a model is a point of its own; a prompt's resamples are the same for all of them.
    """
    moved = [one for one in divergences if one.model in names and one.model != base]
    found: list[Curve] = []
    for by in dict.fromkeys(one.by for one in scores):
        its = [one for one in scores if one.by == by]
        before = [one for one in its if one.model == base]
        reached = {(one.model, one.run) for one in its} & {(one.model, one.run) for one in moved}
        if before and reached:
            order = sorted(reached, key=lambda key: (names.index(key[0]), key[1]))
            found.append(_curve(its, before, moved, order=order))
    return tuple(found)


def _curve(
    scores: Sequence[Score],
    before: Sequence[Score],
    moved: Sequence[Divergence],
    *,
    order: Sequence[tuple[str, str]],
) -> Curve:
    was, spread = _by_prompt(before), _spread(before)
    prompts = sorted(was.keys() | {one.id for one in moved})
    given = (
        ((one.model, one.run), one.id, (one.value - was[one.id]) / spread) for one in scores if one.id in was
    )
    gains = _Table.of(given, prompts, order)
    ratios = _Table.of((((one.model, one.run), one.id, one.log_ratio) for one in moved), prompts, order)
    once = np.ones((1, len(prompts)))
    distances, values = ratios.roots(once)[0], gains.means(once)[0]
    points = tuple(
        Point(" ".join(filter(None, key)), float(distance), float(value))
        for key, distance, value in zip(order, distances, values, strict=True)
    )
    alpha = beta = None
    if len(points) >= _FEWEST_POINTS and (distances > 0).sum() > 1:
        weights = Clusters.of(prompts).resamples(_DRAWS, _SEED)
        draws = _fit(ratios.roots(weights), gains.means(weights))
        alpha, beta = map(_middle, _fit(distances, values), draws.T)
    return Curve(scores[0].by, scores[0].role, points, alpha, beta)


@dataclass(frozen=True, slots=True)
class _Table:
    """Sums and counts, prompts x models, so that resampled means are two products."""

    totals: Numbers
    counts: Numbers

    @classmethod
    def of(
        cls,
        values: Iterable[tuple[tuple[str, str], str, float]],
        prompts: Sequence[str],
        order: Sequence[tuple[str, str]],
    ) -> "_Table":
        rows = {name: place for place, name in enumerate(prompts)}
        columns = {key: place for place, key in enumerate(order)}
        totals, counts = np.zeros((2, len(prompts), len(order)))
        for key, prompt, value in values:
            if key in columns:
                totals[rows[prompt], columns[key]] += value
                counts[rows[prompt], columns[key]] += 1
        return cls(totals, counts)

    def means(self, weights: Numbers) -> Numbers:
        """Draws x models; weights are draws x prompts."""
        return weights @ self.totals / np.maximum(weights @ self.counts, 1e-9)

    def roots(self, weights: Numbers) -> Numbers:
        """Square roots of the means; an estimated KL a little below 0 counts as 0."""
        return np.sqrt(np.maximum(self.means(weights), 0))


def _features(distances: Numbers) -> Numbers:
    """d and -d log d, whose limit at 0 is 0, along a new last axis."""
    return np.stack([distances, -distances * np.log(np.maximum(distances, 1e-12))], axis=-1)


def _fit(distances: Numbers, gains: Numbers) -> Numbers:
    """alpha and beta by least squares, of one set of points or of many: draws x points to draws x 2."""
    return np.einsum("...kp,...p->...k", np.linalg.pinv(_features(distances)), gains)


def _middle(value: float, draws: Numbers) -> Interval95:
    low, high = np.quantile(draws, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Interval95(float(value), float(low), float(high))
