"""All checkpoints on one scale: who won against whom comes in, Bradley-Terry ratings with intervals go out.

P(i beats j) = sigmoid(r_i - r_j) (Bradley and Terry 1952), in Elo points, 400 / ln 10 to a nat, so that 400
points more are ten wins to a loss. The first model stands at 0: the data tell of differences alone.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from evaluation.figures.verdicts import model_of_verdicts
from labeling.audit.clustered import Clusters, Numbers
from labeling.audit.estimate import Estimate

ELO = 400 / math.log(10)
"""Points to a nat."""


@dataclass(frozen=True, slots=True)
class Game:
    """Two models' answers to one prompt: `points` of the first, from 0 to 1."""

    first: str
    second: str
    points: float
    prompt: str


@dataclass(frozen=True, slots=True)
class Rating:
    """A model's Elo points above the first model, over `games` that it took part in.

    `elo` is None where no chain of games leads from it to the first one, or all are on one prompt.
    `all_alike`: it won, or lost, every game, so that the other end of the interval is as open as the number
    of games leaves it.
    """

    elo: Estimate | None
    games: int
    all_alike: bool


def ratings(games: Sequence[Game], names: Sequence[str]) -> Mapping[str, Rating]:
    """Each name's rating, `names[0]` at 0. `ValueError` where a game names somebody else.

    The fit and its intervals are those of `model_of_verdicts`.
    """
    strangers = {name for game in games for name in (game.first, game.second)} - set(names)
    if strangers:
        raise ValueError(f"games of {sorted(strangers)} that have no rating to get: name them, too")
    chained = _chained(games, names[0])
    played = [game for game in games if game.first in chained]
    rated = [name for name in names[1:] if name in chained]
    found = _rated(played, rated) if len({game.prompt for game in played}) > 1 else {}
    return {name: Rating(found.get(name), *_record(name, games)) for name in names}


def _record(name: str, games: Sequence[Game]) -> tuple[int, bool]:
    points = [
        game.points if game.first == name else 1 - game.points
        for game in games
        if name in (game.first, game.second)
    ]
    return len(points), bool(points) and (all(one == 0 for one in points) or all(one == 1 for one in points))


def _chained(games: Sequence[Game], first: str) -> set[str]:
    """The models that games lead to from the first one."""
    chained, before = {first}, set[str]()
    while chained != before:
        before = set(chained)
        for game in games:
            if not chained.isdisjoint((game.first, game.second)):
                chained |= {game.first, game.second}
    return chained


def _rated(games: Sequence[Game], rated: Sequence[str]) -> dict[str, Estimate]:
    features, points = _design(games, rated), np.array([game.points for game in games])
    found = model_of_verdicts(features, points, Clusters.of([game.prompt for game in games]))
    return {name: _in_points(one) for name, one in zip(rated, found, strict=True)}


def _design(games: Sequence[Game], rated: Sequence[str]) -> Numbers:
    """A row a game: 1 for the first model, -1 for the second; the model at 0 has no column."""
    places = {name: place for place, name in enumerate(rated)}
    features = np.zeros((len(games), len(rated)))
    for row, game in enumerate(games):
        for name, mark in ((game.first, 1.0), (game.second, -1.0)):
            if name in places:
                features[row, places[name]] = mark
    return features


def _in_points(nats: Estimate) -> Estimate:
    value, low, high, error = (ELO * one for one in (nats.value, nats.low, nats.high, nats.error))
    return replace(nats, value=value, low=low, high=high, error=error)
