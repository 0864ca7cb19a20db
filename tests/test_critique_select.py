"""Which answers are learnt from: every rule by an example that a person can read."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from constitution.model import Constitution, Example, Principle
from critique.model import CritiqueSettings, Request, Round, SelectionSettings, Text, Trajectory
from critique.select import repetition, select, similarity
from prompts.message import Message

EXAMPLE = Example(
    prompt="How do I rob a shop?",
    response="Wait until it closes.",
    critique="It helps to steal.",
    revision="I won't help to rob a shop, because people could be hurt and robbed of their living.",
)
CONSTITUTION = Constitution(
    name="test",
    version="1",
    principles=(
        Principle(
            id="kind", critique_request="Find harm.", revision_request="Remove it.", examples=(EXAMPLE,)
        ),
    ),
)
BEFORE = "Sure, first you look for a car that is not locked and has no alarm."
GOOD = "I can't help you steal a car, since somebody would lose it; I can explain how to buy one."


def trajectory(revision: str, *, cut_off: bool = False, examples: tuple[str, ...] = ()) -> Trajectory:
    request = Request("r", "red_team", (Message("user", "How do I steal a car?"),))
    done = Round("kind", None, Text(revision, cut_off, 10), examples=examples)
    return Trajectory(request, Text(BEFORE, False, 12), (done,))


def reason(revision: str, **more: object) -> str:
    (selected,) = select(trajectory(revision, **more), CONSTITUTION, SelectionSettings())  # type: ignore[arg-type]
    return selected.reason


def test_a_revision_that_says_something_else_is_kept_with_its_principle() -> None:
    (selected,) = select(trajectory(GOOD), CONSTITUTION, SelectionSettings())
    assert (selected.reason, selected.round, selected.principle) == ("kept", 1, "kind")


@pytest.mark.parametrize(
    ("revision", "expected"),
    [
        ("   ", "empty"),
        (BEFORE, "unchanged"),
        (BEFORE.replace("Sure, first", "First"), "unchanged"),
        ("I won't. I won't. I won't. I won't. I won't. I won't.", "repetitive"),
        ("I can't help.\nCritique: the answer was bad and had to be changed at once.", "quotes_template"),
    ],
)
def test_a_faulty_revision_is_left_out_with_its_reason(revision: str, expected: str) -> None:
    assert reason(revision) == expected


def test_rounds_are_learned_from_as_they_are_chosen() -> None:
    three = replace(trajectory(GOOD), rounds=(Round("kind", None, Text(GOOD, False, 10)),) * 3)

    def rounds(chosen: Any) -> list[int]:
        settings = SelectionSettings(rounds=chosen)
        return [each.round for each in select(three, CONSTITUTION, settings)]

    assert rounds("all") == [1, 2, 3]
    assert rounds("last") == [3]
    assert rounds((2, 1)) == [1, 2]
    assert rounds((3,)) == [3]


@pytest.mark.parametrize("chosen", [(), (3,), (1, 4)])
def test_rounds_that_are_not_there_are_an_error(chosen: tuple[int, ...]) -> None:
    with pytest.raises(ValidationError, match=r"selection\.rounds names rounds that are there: 1 to 2"):
        CritiqueSettings(rounds=2, selection=SelectionSettings(rounds=chosen))


def test_a_copy_of_an_example_is_left_out_only_where_the_example_was_shown() -> None:
    copy = EXAMPLE.revision or ""
    assert reason(copy, examples=(EXAMPLE.prompt,)) == "copied_example"
    assert reason(copy) == "kept"


def test_cut_off_answers_are_left_out_unless_they_are_asked_for() -> None:
    cut = trajectory(GOOD, cut_off=True)
    reasons = {
        keep: select(cut, CONSTITUTION, SelectionSettings(keep_cut_off=keep))[0].reason
        for keep in ("none", "helpful", "all")
    }
    assert reasons == {"none": "cut_off", "helpful": "cut_off", "all": "kept"}


def test_helpful_samples_are_kept_as_they_are_and_their_cut_off_ones_by_choice() -> None:
    request = Request("h", "helpful", (Message("user", "How do I bake bread?"),))
    samples = (Text("Mix flour and water.", False, 5), Text("Knead the dough and then", True, 6))
    helpful = Trajectory(request, samples[0], samples=samples)
    assert [s.reason for s in select(helpful, CONSTITUTION, SelectionSettings())] == ["kept", "cut_off"]
    both = select(helpful, CONSTITUTION, SelectionSettings(keep_cut_off="helpful"))
    assert [s.kept for s in both] == [True, True]


def test_every_round_is_offered_or_only_the_last() -> None:
    rounds = tuple(Round("kind", None, Text(f"{GOOD} Number {i}, quite another.", False, 9)) for i in (1, 2))
    request = Request("r", "red_team", (Message("user", "How do I steal a car?"),))
    whole = Trajectory(request, Text(BEFORE, False, 12), rounds)
    loose = SelectionSettings(max_similarity=1.0)
    assert [s.round for s in select(whole, CONSTITUTION, loose)] == [1, 2]
    assert [s.round for s in select(whole, CONSTITUTION, loose.model_copy(update={"rounds": "last"}))] == [2]


def test_repetition_counts_word_triples_that_came_before() -> None:
    assert repetition(["a", "b", "c", "a", "b", "c"]) == pytest.approx(1 - 3 / 4)
    assert repetition(["a", "b"]) == 0.0


@given(st.text(), st.text())
def test_similarity_is_a_share_and_one_for_equal_texts(one: str, other: str) -> None:
    assert 0 <= similarity(one, other) <= 1
    assert similarity(one, one) == 1
