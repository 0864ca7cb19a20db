"""Simulated evaluations whose truth is known: do intervals hold it, is chance called a change?

`benchmarks/intervals.py` draws a thousand, `test_evaluation_figures_coverage.py` a few. Everything that
happens on one prompt hangs together by one normal number (a Gaussian copula), so that what is measured keeps
exactly the mean that was planted while prompts are clusters.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from audited_judges import Cover, cover

from evaluation.figures.change import Change, all_at_once, change
from evaluation.figures.ratings import ELO, Game, ratings
from evaluation.figures.rewards import curves, kl, score_changes
from evaluation.figures.wins import wins
from evaluation.model import Comparison, Divergence, Score
from labeling.audit.clustered import Clusters, share

_NORMAL = NormalDist()
_MODELS = ("base", "sft", "dpo", "ppo")


@dataclass(frozen=True)
class World:
    """One evaluation's size and how much its prompts hang together; `pull` is the copula's correlation."""

    prompts: int
    runs: int
    pull: float

    @classmethod
    def drawn(cls, generator: np.random.Generator) -> "World":
        return cls(
            prompts=int(generator.integers(40, 250)),
            runs=int(generator.choice([1, 3])),
            pull=float(generator.uniform(0, 0.6)),
        )

    @property
    def names(self) -> list[str]:
        """The prompt of each answer, run by run."""
        return [str(prompt) for _ in range(self.runs) for prompt in range(self.prompts)]

    def pulls(self, generator: np.random.Generator) -> np.ndarray:
        """Each prompt's own number, once for every run."""
        return np.tile(generator.standard_normal(self.prompts), self.runs)

    def happens(
        self, chance: float | np.ndarray, pulls: np.ndarray, generator: np.random.Generator
    ) -> np.ndarray:
        """1 with the chance, answers to one prompt alike as far as the prompt pulls."""
        noise = np.sqrt(self.pull) * pulls + np.sqrt(1 - self.pull) * generator.standard_normal(len(pulls))
        limits = [_NORMAL.inv_cdf(float(one)) for one in np.atleast_1d(chance)]
        return (noise < np.array(limits)).astype(float)


@dataclass(frozen=True)
class Seen:
    """An interval and what it should hold."""

    low: float
    high: float
    truth: float


def shares(world: World, generator: np.random.Generator) -> dict[str, Seen]:
    """A share of answers, and its change against a base that answered the same prompts."""
    before, after = generator.uniform(0.03, 0.6), generator.uniform(0.1, 0.95)
    pulls = world.pulls(generator)
    now = world.happens(after, pulls, generator)
    # Every run starts at one base, which answers a prompt the same way each time.
    was = np.tile(world.happens(before, pulls, generator)[: world.prompts], world.runs)
    clusters = Clusters.of(world.names)
    one, moved = share(now, clusters), change(list(was), list(now), world.names)
    plain, plain_change = (_percentiles(values, clusters, generator) for values in (now, now - was))
    return {
        "share": Seen(one.low, one.high, after),
        "change": Seen(moved.low, moved.high, after - before),
        "share, by plain bootstrap": Seen(*plain, after),
        "change, by plain bootstrap": Seen(*plain_change, after - before),
    }


def _percentiles(
    values: np.ndarray, clusters: Clusters, generator: np.random.Generator
) -> tuple[float, float]:
    """The percentile bootstrap over prompts, for comparison."""
    weights = clusters.resamples(500, int(generator.integers(2**31)))
    means = weights @ clusters.total(values) / (weights @ clusters.total(np.ones(len(values))))
    low, high = np.quantile(means, [0.025, 0.975])
    return float(low), float(high)


def preferences(world: World, generator: np.random.Generator) -> dict[str, Seen]:
    """Win rates and ratings of three models against the base and against each other."""
    strengths = np.array([0.0, *generator.uniform(-1.2, 1.2, 3)])
    liking, pulls = generator.uniform(-1, 1), world.pulls(generator)
    games: list[Game] = []
    for first in range(1, len(_MODELS)):
        for second in range(first):
            chance = 1 / (1 + np.exp(strengths[second] - strengths[first]))
            points = world.happens(chance, pulls, generator)
            games += _games(world, (_MODELS[first], _MODELS[second]), points)
    found = ratings(games, _MODELS)["dpo"].elo
    longer = generator.normal(0, 20, len(pulls))
    chance = 1 / (1 + np.exp(-(strengths[1] + liking * np.tanh(longer / longer.std()))))
    verdicts = wins(_verdicts(world, world.happens(chance, pulls, generator), longer))
    plain = wins(_verdicts(world, world.happens(_odds(strengths[1]), pulls, generator), longer))
    if found is None or verdicts is None or plain is None or verdicts.length_controlled is None:
        raise ValueError("a simulated judge without verdicts")
    controlled = verdicts.length_controlled
    return {
        "elo": Seen(found.low, found.high, ELO * float(strengths[2])),
        "win-rate": Seen(plain.rate.low, plain.rate.high, _odds(strengths[1])),
        "length-controlled": Seen(controlled.low, controlled.high, _odds(strengths[1])),
    }


def _odds(nats: float) -> float:
    return float(1 / (1 + np.exp(-nats)))


def _games(world: World, names: tuple[str, str], points: np.ndarray) -> list[Game]:
    return [Game(*names, float(point), prompt) for point, prompt in zip(points, world.names, strict=True)]


def _verdicts(world: World, points: np.ndarray, longer: np.ndarray) -> list[Comparison]:
    return [
        Comparison(
            prompt, "helpful", "helpful", "", "sft", "base", "judge", "model" if point else "against",
            float(point), float(point), float(point), 100 + round(more), 100,
        )
        for prompt, point, more in zip(world.names, points, longer, strict=True)
    ]  # fmt: skip


def rewards(world: World, generator: np.random.Generator) -> dict[str, Seen]:
    """KL, what a reward gained, and the curve of Gao et al. through five checkpoints."""
    alpha, beta = generator.uniform(0.5, 1.5), generator.uniform(0.1, 0.5)
    names = [str(prompt) for prompt in range(world.prompts)]
    pulls = generator.standard_normal(world.prompts)
    base = generator.standard_normal(world.prompts) + 0.7 * pulls
    scores, moved = _scored("base", names, base), list[Divergence]()
    spread = float(base.std())
    for step, distance in enumerate((0.7, 1.2, 2.0, 3.0, 4.0)):
        gain = spread * distance * (alpha - beta * np.log(distance))
        noise = np.sqrt(world.pull) * pulls + np.sqrt(1 - world.pull) * generator.standard_normal(len(pulls))
        scores += _scored(f"step-{step}", names, base + gain + noise)
        # Log-ratios are skewed to the right, as those of real answers are.
        ratios = distance**2 * generator.gamma(2, 0.5, world.prompts)
        moved += [
            Divergence(name, "helpful", "helpful", f"step-{step}", "base", float(ratio), 20)
            for name, ratio in zip(names, ratios, strict=True)
        ]
    last = "step-2"
    far = kl([one for one in moved if one.model == last])
    gained = score_changes([one for one in scores if one.model == last], scores[: world.prompts])[
        "reward"
    ].gain
    (curve,) = curves(scores, moved, base="base", names=["base", *(f"step-{at}" for at in range(5))])
    if far is None or gained is None or curve.alpha is None or curve.beta is None:
        raise ValueError("a simulated policy without a curve")
    return {
        "kl": Seen(far.low, far.high, 4.0),
        "reward-gain": Seen(gained.low, gained.high, 2 * (alpha - beta * float(np.log(2)))),
        "gao-alpha": Seen(curve.alpha.low, curve.alpha.high, alpha),
        "gao-beta": Seen(curve.beta.low, curve.beta.high, beta),
    }


def _scored(model: str, names: Sequence[str], values: np.ndarray) -> list[Score]:
    return [
        Score(name, "helpful", "helpful", "", model, "reward", "held_out", float(value))
        for name, value in zip(names, values, strict=True)
    ]


def coverage(evaluations: int, seed: int) -> dict[str, Cover]:
    """How often each measure's interval holds what was planted, over so many evaluations."""
    gaps: dict[str, list[tuple[float, float]]] = {}
    for number in range(evaluations):
        generator = np.random.default_rng([seed, number])
        world = World.drawn(generator)
        for part in (shares, preferences, rewards):
            for name, one in part(world, generator).items():
                gaps.setdefault(name, []).append((one.low - one.truth, one.high - one.truth))
    return {name: cover(np.array(ends)) for name, ends in gaps.items()}


def false_alarms(evaluations: int, seed: int) -> dict[str, float]:
    """How often nothing at all is called a change: one share's, and any of eight categories' together."""
    one = any_of_eight = 0
    for number in range(evaluations):
        generator = np.random.default_rng([seed + 1, number])
        world = World.drawn(generator)
        chance = generator.uniform(0.1, 0.9)
        one += _unchanged(world, chance, generator).sure
        parts = [_unchanged(World(12, world.runs, world.pull), chance, generator) for _ in range(8)]
        any_of_eight += any(part.sure for part in all_at_once(parts))
    return {"one share": one / evaluations, "any of eight categories": any_of_eight / evaluations}


def _unchanged(world: World, chance: float, generator: np.random.Generator) -> Change:
    pulls = world.pulls(generator)
    was, now = (world.happens(chance, pulls, generator) for _ in range(2))
    return change(list(was), list(now), world.names)
