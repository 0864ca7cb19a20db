"""Bradley-Terry ratings against hand-worked and published figures."""

import math

import pytest

from evaluation.figures.ratings import ELO, Game, ratings

TEAMS = ("Baltimore", "Milwaukee", "Detroit", "Toronto", "New York", "Boston", "Cleveland")
WON = {
    ("Milwaukee", "Detroit"): 7, ("Milwaukee", "Toronto"): 9, ("Milwaukee", "New York"): 7,
    ("Milwaukee", "Boston"): 7, ("Milwaukee", "Cleveland"): 9, ("Milwaukee", "Baltimore"): 11,
    ("Detroit", "Toronto"): 7, ("Detroit", "New York"): 5, ("Detroit", "Boston"): 11,
    ("Detroit", "Cleveland"): 9, ("Detroit", "Baltimore"): 9,
    ("Toronto", "New York"): 7, ("Toronto", "Boston"): 7, ("Toronto", "Cleveland"): 8,
    ("Toronto", "Baltimore"): 12,
    ("New York", "Boston"): 6, ("New York", "Cleveland"): 7, ("New York", "Baltimore"): 10,
    ("Boston", "Cleveland"): 7, ("Boston", "Baltimore"): 12,
    ("Cleveland", "Baltimore"): 6,
}  # fmt: skip
"""The American League's eastern division in 1987, each two teams 13 times (Agresti 2002, table 10.10)."""
PUBLISHED = {
    "Milwaukee": 1.581, "Detroit": 1.436, "Toronto": 1.294, "New York": 1.248, "Boston": 1.108,
    "Cleveland": 0.684,
}  # fmt: skip
"""Log abilities, Baltimore at 0 (there, section 10.6.2; Turner and Firth 2012)."""


def games(first: str, second: str, won: int, lost: int) -> list[Game]:
    points = [1.0] * won + [0.0] * lost
    return [Game(first, second, point, f"{first}{second}{place}") for place, point in enumerate(points)]


def test_a_nat_is_400_over_ln_10_points() -> None:
    assert pytest.approx(173.7178) == ELO


def test_two_models_are_worked_out_by_hand() -> None:
    # Firth's penalty adds half a win and half a loss: log(3.5 / 1.5) nats.
    found = ratings(games("dpo", "base", 3, 1), ["base", "dpo"])
    assert found["dpo"].elo is not None
    assert found["dpo"].elo.value == pytest.approx(ELO * math.log(3.5 / 1.5))
    assert found["base"].elo is None
    assert (found["base"].games, found["dpo"].games) == (4, 4)


def test_ten_wins_to_a_loss_are_400_points() -> None:
    found = ratings(games("dpo", "base", 2000, 200), ["base", "dpo"])["dpo"].elo
    assert found is not None
    assert found.value == pytest.approx(400, abs=1)


def test_the_baseball_teams_of_1987_have_their_published_abilities() -> None:
    """The penalty's part vanishes as games grow, so each is played 20 times as often."""
    played = [
        game for (one, other), won in WON.items() for game in games(one, other, 20 * won, 20 * (13 - won))
    ]
    found = ratings(played, TEAMS)
    for team, ability in PUBLISHED.items():
        elo = found[team].elo
        assert elo is not None
        assert elo.value / ELO == pytest.approx(ability, abs=0.004)


def test_a_model_that_lost_every_game_has_a_wide_interval() -> None:
    found = ratings(games("refuse", "base", 0, 64) + games("dpo", "base", 32, 32), ["base", "dpo", "refuse"])
    assert found["refuse"].all_alike
    assert not found["dpo"].all_alike
    elo = found["refuse"].elo
    assert elo is not None
    assert elo.high < 0
    assert elo.high - elo.low > 400


def test_a_model_that_no_chain_of_games_reaches_has_no_rating() -> None:
    found = ratings(games("dpo", "base", 3, 3) + games("echo", "mute", 2, 2), ["base", "dpo", "echo", "mute"])
    assert found["dpo"].elo is not None
    assert found["echo"].elo is None
    assert found["echo"].games == 4


def test_a_tie_is_half_a_win_for_either() -> None:
    tied = [Game("dpo", "base", 0.5, str(number)) for number in range(10)]
    found = ratings(tied, ["base", "dpo"])["dpo"].elo
    assert found is not None
    assert found.value == pytest.approx(0, abs=1e-9)


def test_games_of_strangers_are_refused() -> None:
    with pytest.raises(ValueError, match="ghost"):
        ratings(games("ghost", "base", 1, 1), ["base"])
