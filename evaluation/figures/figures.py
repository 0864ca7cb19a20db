"""All figures of an evaluation: what was recorded comes in, what every report and gate reads goes out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from evaluation.figures.checkpoint import CheckpointFigures, checkpoint_figures, helpfulness
from evaluation.figures.plane import Standing, standing
from evaluation.figures.ratings import Game, Rating, ratings
from evaluation.figures.rewards import Curve, curves
from evaluation.model import Evaluation, Fitness


@dataclass(frozen=True, slots=True)
class Figures:
    """Models in their order, the base first, controls last; everything else by a model's name.

    `ratings` is by judge, then by model; it has the models that were compared.
    """

    models: tuple[CheckpointFigures, ...]
    standings: Mapping[str, Standing]
    ratings: Mapping[str, Mapping[str, Rating]]
    curves: tuple[Curve, ...]

    @property
    def base(self) -> CheckpointFigures:
        return self.models[0]

    @property
    def trained(self) -> tuple[CheckpointFigures, ...]:
        """What was made of the base, without steps on the way and without controls."""
        return tuple(model for model in self.models[1:] if model.trained)

    @property
    def controls(self) -> tuple[CheckpointFigures, ...]:
        return tuple(model for model in self.models if model.kind == "control")

    def __getitem__(self, name: str) -> CheckpointFigures:
        return next(model for model in self.models if model.name == name)


def figures(evaluation: Evaluation) -> Figures:
    """Everything that can be computed of what was recorded.

    Raises:
        ValueError: there are no results, or two have one name.
    """
    names = [result.name for result in evaluation.results]
    if not names or len(set(names)) < len(names):
        raise ValueError(f"results of {names}: expected at least one model, each with its own name")
    models = tuple(checkpoint_figures(evaluation, result) for result in evaluation.results)
    models = tuple(sorted(models, key=lambda model: model.kind == "control"))
    fitness: dict[str, Fitness] = {judge.name: judge.fitness for judge in evaluation.judges}
    return Figures(
        models=models,
        standings={model.name: standing(model, fitness) for model in models[1:]},
        ratings=_ratings(evaluation, [model.name for model in models]),
        curves=curves(evaluation.scores, evaluation.divergences, base=names[0], names=_not_controls(models)),
    )


def _not_controls(models: Sequence[CheckpointFigures]) -> list[str]:
    return [model.name for model in models if model.kind != "control"]


def _ratings(evaluation: Evaluation, names: Sequence[str]) -> Mapping[str, Mapping[str, Rating]]:
    """By judge; a prompt in several runs is several games in one cluster."""
    games: dict[str, list[Game]] = {}
    for one in helpfulness(evaluation.comparisons):
        if one.points is not None:
            games.setdefault(one.judge, []).append(Game(one.model, one.against, one.points, one.id))
    return {
        judge: ratings(its, [name for name in names if any(name in (g.first, g.second) for g in its)])
        for judge, its in games.items()
        if any(names[0] in (game.first, game.second) for game in its)
    }
