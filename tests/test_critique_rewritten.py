"""Which rounds an edit touches, and from which answer the first of them starts."""

from constitution.model import Constitution, Principle
from critique.model import CritiqueSettings, Request, Round, Text, Trajectory
from critique.revise import Reviser
from critique.rewritten import Rounds, Standing
from prompts.message import Message
from prompts.render import Prompts

ONE = Principle(id="kind", critique_request="Is it kind?", revision_request="Make it kind.")


def text(said: str) -> Text:
    return Text(said, False, 1)


def reviser(*principles: Principle, **settings: object) -> Reviser:
    constitution = Constitution(name="n", version="1", principles=principles)
    return Reviser(constitution, Prompts(), CritiqueSettings.model_validate(settings))


def trajectory(rounds: int, name: str = "row") -> Trajectory:
    request = Request(name, "red_team", (Message("user", "Why?"),))
    made = tuple(Round("kind", text("c"), text(f"revision {number}")) for number in range(rounds))
    return Trajectory(request, text("initial"), made)


def test_a_round_starts_from_the_answer_before_it() -> None:
    assert Standing(trajectory(2), 0).answer == text("initial")
    assert Standing(trajectory(2), 1).answer == text("revision 0")


def test_rounds_behind_a_touched_one_are_touched_too_and_helpful_rows_have_none() -> None:
    rounds = Rounds()
    after = reviser(ONE.model_copy(update={"revision_request": "Make it kinder."}))
    rows = list(rounds.rows([trajectory(3), trajectory(0, "other")], reviser(ONE), after, seed=1))
    assert [(row.id, row.round) for row in rows] == [("row", 0)]
    assert (rounds.rounds, rounds.touched, rounds.redrawn) == (3, 3, 0)


def test_a_principle_that_takes_anothers_place_touches_the_rounds_that_draw_it() -> None:
    rounds, other = Rounds(), ONE.model_copy(update={"id": "calm", "critique_request": "Is it calm?"})
    given = [trajectory(1, f"row-{number}") for number in range(40)]
    rows = list(rounds.rows(given, reviser(ONE), reviser(ONE, other), seed=1))
    assert len(rows) == rounds.touched == rounds.redrawn
    assert 10 < rounds.touched < 30


def test_what_a_round_does_not_say_touches_none() -> None:
    silent = {"comparison_question": "Which?", "tags": ("care",), "weight": 2.0}
    assert not list(
        Rounds().rows([trajectory(1)], reviser(ONE), reviser(ONE.model_copy(update=silent)), seed=1)
    )
    asked = ONE.model_copy(update={"critique_request": "Is it kinder?"})
    direct = [reviser(each, direct=True) for each in (ONE, asked)]
    assert not list(Rounds().rows([trajectory(1)], *direct, seed=1))
