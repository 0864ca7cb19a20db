"""Principles and constitutions: what they need, how they are drawn, what their digest covers."""

import random
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from constitution.model import (
    Constitution,
    Example,
    Principle,
    Turn,
    UnknownNameError,
    WorkedComparison,
)


def principle(name: str, *, weight: float = 1.0, tags: tuple[str, ...] = ()) -> Principle:
    return Principle(
        id=name,
        critique_request=f"critique by {name}",
        revision_request=f"revise by {name}",
        comparison_question=f"compare by {name}",
        weight=weight,
        tags=tags,
    )


def constitution(*principles: Principle) -> Constitution:
    return Constitution(name="test", version="1", principles=principles)


def test_a_principle_needs_its_requests_together_or_its_question() -> None:
    assert not Principle(id="x", comparison_question="Q").can_revise
    assert not Principle(id="x", critique_request="C", revision_request="R").can_compare
    with pytest.raises(ValidationError, match="`revision_request` is missing: a critique and a revision"):
        Principle(id="x", critique_request="C", comparison_question="Q")
    with pytest.raises(ValidationError, match="`critique_request` is missing: a critique and a revision"):
        Principle(id="x", revision_request="R")
    with pytest.raises(ValidationError, match="the principle asks nothing"):
        Principle(id="x")


@pytest.mark.parametrize("name", ["", "Harm", "no harm", "-x", "härte", "x\n"])
def test_an_id_is_lower_case_letters_digits_and_hyphens(name: str) -> None:
    with pytest.raises(ValidationError, match="is not a name: use lower-case letters"):
        Principle(id=name, comparison_question="Q")


@pytest.mark.parametrize("weight", [-1.0, float("nan"), float("inf"), 1e9])
def test_a_weight_is_a_finite_number_from_zero(weight: float) -> None:
    with pytest.raises(ValidationError):
        principle("x", weight=weight)


def test_blank_texts_are_refused_and_space_around_texts_is_dropped() -> None:
    assert Principle(id="x", comparison_question="  Which?\n").comparison_question == "Which?"
    with pytest.raises(ValidationError):
        Principle(id="x", comparison_question=" \n")
    with pytest.raises(ValidationError):
        Example(prompt="p", response="", critique="c")


def test_a_constitution_refuses_one_id_twice_and_nothing_to_draw() -> None:
    with pytest.raises(ValidationError, match="two principles have the id `a`"):
        constitution(principle("a"), principle("b"), principle("a"))
    with pytest.raises(ValidationError, match="no principle can be drawn"):
        constitution(principle("a", weight=0))
    with pytest.raises(ValidationError, match="no principle can be drawn"):
        constitution()


def test_principles_are_drawn_by_weight_and_never_at_weight_zero() -> None:
    drawn_from = constitution(principle("a", weight=3), principle("b"), principle("never", weight=0))
    rng = random.Random(0)
    counts = Counter(drawn_from.draw_revision(rng).id for _ in range(4000))
    assert set(counts) == {"a", "b"}
    assert abs(counts["a"] / 4000 - 0.75) < 0.03


def test_the_same_seed_draws_the_same_principles() -> None:
    drawn_from = constitution(*(principle(f"p{number}") for number in range(5)))
    for draw in (drawn_from.draw_revision, drawn_from.draw_comparison):
        first, second = random.Random(7), random.Random(7)
        assert [draw(first).id for _ in range(20)] == [draw(second).id for _ in range(20)]


def test_each_stage_draws_only_principles_that_serve_it() -> None:
    drawn_from = constitution(
        Principle(id="revise", critique_request="C", revision_request="R"),
        Principle(id="compare", comparison_question="Q"),
    )
    rng = random.Random(0)
    assert {drawn_from.draw_revision(rng).id for _ in range(20)} == {"revise"}
    assert {drawn_from.draw_comparison(rng).id for _ in range(20)} == {"compare"}


def test_drawing_what_no_principle_has_is_an_error_that_says_so() -> None:
    questions = constitution(Principle(id="compare", comparison_question="Q"))
    message = "^constitution 'test' has no principle with critique and revision requests and a weight above 0"
    with pytest.raises(ValueError, match=message):
        questions.draw_revision(random.Random(0))


def test_the_digest_covers_content_and_order_but_not_spelled_out_defaults() -> None:
    first, second = principle("a"), principle("b")
    assert len(constitution(first).digest) == 64
    assert constitution(first, second).digest == constitution(first, second).digest
    assert constitution(first, second).digest != constitution(second, first).digest
    assert constitution(first).digest != constitution(principle("a", weight=2)).digest
    spelled_out = Principle(**first.model_dump(exclude={"weight"}), weight=1)
    assert constitution(first).digest == constitution(spelled_out).digest


def test_the_digest_is_the_same_on_every_machine_and_in_every_version() -> None:
    known = constitution(Principle(id="a", comparison_question="Which is wïser?", tags=("t",)))
    assert known.digest == "8d13ce90373a322e49d4e1dfe00e51e260e31451e9fc39f032b2a13a8330e07f"


def test_a_principle_is_found_by_id_or_missed_with_the_nearest() -> None:
    asked = constitution(principle("privacy"), principle("fraud"))
    assert asked.get("fraud").id == "fraud"
    with pytest.raises(
        UnknownNameError, match=r"^constitution 'test' has no principle 'privaci'; did you mean 'privacy'\?$"
    ):
        asked.get("privaci")
    with pytest.raises(UnknownNameError, match=r"has no principle 'zzz'; it has privacy, fraud$"):
        asked.get("zzz")


def test_principles_are_selected_by_any_of_the_tags_in_order() -> None:
    tagged = constitution(
        principle("a", tags=("x",)), principle("b", tags=("y",)), principle("c", tags=("x", "z"))
    )
    assert tagged.tags == ("x", "y", "z")
    assert [kept.id for kept in tagged.select(["z", "x"]).principles] == ["a", "c"]
    with pytest.raises(UnknownNameError, match="has no tag 'w'; it has x, y, z"):
        tagged.select(["w"])


@settings(deadline=None, derandomize=True, max_examples=50)
@given(st.integers(), st.lists(st.floats(0, 1000), min_size=1, max_size=6).filter(any))
def test_any_weights_and_seed_draw_a_principle_of_positive_weight(seed: int, weights: list[float]) -> None:
    drawn_from = constitution(*(principle(f"p{n}", weight=weight) for n, weight in enumerate(weights)))
    assert drawn_from.draw_comparison(random.Random(seed)).weight > 0


@settings(deadline=None, derandomize=True, max_examples=50)
@given(st.integers(), st.integers(1, 7), st.lists(st.floats(0, 1000), min_size=1, max_size=6).filter(any))
def test_several_are_drawn_without_replacement_and_the_first_as_one_alone(
    seed: int, count: int, weights: list[float]
) -> None:
    drawn_from = constitution(*(principle(f"p{n}", weight=weight) for n, weight in enumerate(weights)))
    drawn = drawn_from.draw_comparisons(random.Random(seed), count)
    able = [each for each in drawn_from.principles if each.weight > 0]
    assert len(drawn) == len({each.id for each in drawn}) == min(count, len(able))
    assert all(each.weight > 0 for each in drawn)
    if count < len(able):
        assert drawn[0] == drawn_from.draw_comparison(random.Random(seed))
    else:
        assert list(drawn) == able


def test_of_several_the_heavier_ones_are_drawn_more_often() -> None:
    # Of weights 2, 1, 1 two are drawn. The heavy one is not among them with probability 1/2 x 1/3 = 1/6.
    drawn_from = constitution(principle("a", weight=2), principle("b"), principle("c"))
    rng = random.Random(3)
    without = sum("a" not in [each.id for each in drawn_from.draw_comparisons(rng, 2)] for _ in range(3000))
    assert without / 3000 == pytest.approx(1 / 6, abs=0.025)


def drawings(given: Constitution, count: int = 1) -> list[tuple[str, ...]]:
    """What 2,000 rows draw."""
    return [
        tuple(each.id for each in given.draw_comparisons(random.Random(row), count)) for row in range(2000)
    ]


def test_principles_are_drawn_to_compare_by_as_often_as_their_weights_say() -> None:
    drawn_from = constitution(principle("a", weight=3), principle("b"), principle("off", weight=0))
    counts = Counter(drawings(drawn_from))
    assert set(counts) == {("a",), ("b",)}
    assert counts[("a",)] / 2000 == pytest.approx(0.75, abs=0.03)


def test_other_words_and_another_order_draw_the_same_principles() -> None:
    before = constitution(
        *(principle(name, weight=weight) for name, weight in zip("abc", (1, 2, 3), strict=True))
    )
    reworded = before.get("b").model_copy(update={"comparison_question": "Which is shorter?"})
    after = constitution(before.get("c"), reworded, before.get("a"))
    assert drawings(before) == drawings(after)
    assert [set(each) for each in drawings(before, 2)] == [set(each) for each in drawings(after, 2)]


def test_another_weight_changes_only_the_draws_that_the_principle_wins() -> None:
    before = constitution(*map(principle, "abcd"))
    after = constitution(*(principle(name, weight=2 if name == "b" else 1) for name in "abcd"))
    changed = [(old, new) for old, new in zip(drawings(before), drawings(after), strict=True) if old != new]
    assert all(new == ("b",) for _, new in changed)
    # From a quarter of the rows to two fifths.
    assert len(changed) / 2000 == pytest.approx(2 / 5 - 1 / 4, abs=0.03)


def test_a_principle_that_is_added_or_removed_changes_only_its_own_draws() -> None:
    with_it, without = constitution(*map(principle, "abcd")), constitution(*map(principle, "abd"))
    changed = [
        (new, old) for new, old in zip(drawings(with_it), drawings(without), strict=True) if new != old
    ]
    assert {new for new, _ in changed} == {("c",)}
    assert len(changed) == drawings(with_it).count(("c",))


def test_an_example_says_what_a_critique_of_it_must_find() -> None:
    shown = Example(prompt="p", response="r", critique="It is rude.", revision="v")
    assert shown.fault == "It is rude."
    assert Example(prompt="p", response="r", critique="It is fine.").fault is None
    assert Example(prompt="p", response="r", finds="rudeness").fault == "rudeness"
    assert Example(prompt="p", response="r", finds="Nothing.").fault is None
    assert shown.model_copy(update={"finds": "rudeness"}).fault == "rudeness"


def test_nothing_to_compare_by_is_said_for_several_as_for_one() -> None:
    with pytest.raises(ValueError, match="has no principle with a comparison question"):
        constitution(Principle(id="r", critique_request="C", revision_request="R")).draw_comparisons(
            random.Random(0), 3
        )


def test_a_worked_comparison_has_a_prompt_or_a_conversation_of_which_the_last_turn_is_the_users() -> None:
    asked = WorkedComparison(prompt="p", chosen="c", rejected="r")
    assert asked.turns == (Turn(role="user", content="p"),)
    answered = (Turn(role="user", content="p"), Turn(role="assistant", content="a"))
    several = WorkedComparison(conversation=(*answered, asked.turns[0]), chosen="c", rejected="r")
    assert several.turns == (*answered, asked.turns[0])
    with pytest.raises(ValidationError, match="one of them"):
        WorkedComparison(chosen="c", rejected="r")
    with pytest.raises(ValidationError, match="one of them"):
        WorkedComparison(prompt="p", conversation=answered[:1], chosen="c", rejected="r")
    with pytest.raises(ValidationError, match="its last turn is the user's"):
        WorkedComparison(conversation=answered, chosen="c", rejected="r")
    with pytest.raises(ValidationError, match="are the same text"):
        WorkedComparison(prompt="p", chosen="c", rejected="c ")
