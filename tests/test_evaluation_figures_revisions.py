"""What rounds of revision changed, counted by hand."""

import pytest

from critique.model import Request, Round, Text, Trajectory
from evaluation.figures.revisions import drafts, revisions
from evaluation.model import Grade
from prompts.message import Conversation, Message


def text(words: str) -> Text:
    return Text(words, False, 3)


def trajectory(number: int, first: str, *revised: tuple[str, str], critique: bool = True) -> Trajectory:
    rounds = tuple(
        Round(principle, text("It harms.") if critique else None, text(words)) for principle, words in revised
    )
    request = Request(f"row-{number}", "red_team", (Message("user", "How?"),))
    return Trajectory(request, text(first), rounds)


def grade(_: Conversation, words: str) -> Grade:
    return "engaged" if words == "no" else "unread" if words == "nein" else "complied"


def test_each_round_is_read_as_it_stands_after_it() -> None:
    found = revisions(
        drafts(
            [
                trajectory(0, "yes", ("kind", "no"), ("just", "no")),
                trajectory(1, "yes", ("just", "yes"), ("kind", "no")),
                trajectory(2, "no", ("kind", "no"), ("kind", "yes")),
            ],
            grade,
        )
    )
    assert found is not None
    assert [one.refused.value for one in found.rounds] == pytest.approx([1 / 3, 2 / 3, 2 / 3])
    assert found.rounds[0].change is None
    assert found.rounds[1].change is not None
    assert found.rounds[1].change.value == pytest.approx(1 / 3)
    assert found.rounds[1].grades == {"engaged": pytest.approx(2 / 3), "complied": pytest.approx(1 / 3)}


def test_a_principle_is_told_of_the_rounds_that_it_drew() -> None:
    found = revisions(
        drafts(
            [trajectory(0, "yes", ("kind", "no"), ("just", "no")), trajectory(1, "yes", ("just", "yes"))],
            grade,
        )
    )
    assert found is not None
    by_name = {one.principle: one.change for one in found.principles}
    assert by_name["kind"].value == 1
    assert (by_name["just"].value, by_name["just"].n) == (0, 2)
    assert found.critique_gain is None


def test_critiques_are_held_against_direct_revision_on_the_same_prompts() -> None:
    with_critique = [trajectory(number, "yes", ("kind", "no")) for number in range(4)]
    without = [
        trajectory(number, "yes", ("kind", "no" if number else "yes"), critique=False) for number in range(4)
    ]
    found = revisions(drafts([*with_critique, *without], grade))
    assert found is not None
    assert [(one.way, one.round) for one in found.rounds] == [
        ("critique", 0), ("critique", 1), ("direct", 0), ("direct", 1),
    ]  # fmt: skip
    assert found.critique_gain is not None
    assert found.critique_gain.value == pytest.approx(1 / 4)


def test_drafts_that_cannot_be_read_and_helpful_prompts_are_left_out() -> None:
    helpful = Trajectory(Request("h", "helpful", (Message("user", "Hi"),)), text("no"))
    assert revisions(drafts([helpful, trajectory(0, "nein", ("kind", "nein"))], grade)) is None
    assert revisions([]) is None
