"""Which principles do what their author meant, out of what a judge made of their examples."""

import pytest

from constitution.model import Constitution, Principle
from labeling.meaning import Leaning, Meaning, leaning, meanings, overall
from labeling.trial import Decided, Kind, Opinion, Tried


def tried(
    decided: Decided,
    *,
    principle: str = "kind",
    kind: Kind = "comparison",
    probability: float = 0.9,
    control: Opinion | None = None,
) -> Tried:
    return Tried(principle, kind, "p", "c", "r", Opinion(decided, probability), control)


def test_most_of_the_examples_say_what_a_principle_does() -> None:
    meant, opposite, undecided = tried("meant"), tried("opposite"), tried("undecided")
    assert Meaning("kind", (meant, meant, undecided)).does == "as meant"
    assert Meaning("kind", (opposite, opposite, meant)).does == "the opposite"
    assert Meaning("kind", (meant, opposite)).does == "undecided"
    assert Meaning("kind", ()).does == "no examples"


def test_an_example_that_could_not_be_asked_about_did_not_do_as_meant() -> None:
    found = Meaning("kind", (tried("meant"),), failed=1)
    assert (found.n, found.does) == (2, "undecided")
    assert found.share is not None
    assert found.share.value == 0.5


def test_three_examples_say_little() -> None:
    share = Meaning("kind", (tried("meant"),) * 3).share
    assert share is not None
    # Wilson at t(0.975, 2) = 4.303 for z: w = 18.51 / 3, low = 1 / (1 + w).
    assert (share.value, share.high) == (1.0, 1.0)
    assert share.low == pytest.approx(1 / (1 + 4.3027**2 / 3), abs=1e-3)


def test_the_control_counts_what_is_decided_without_the_principle_and_how_far_it_moves() -> None:
    found = Meaning(
        "kind",
        (
            tried("meant", probability=0.9, control=Opinion("meant", 0.8)),
            tried("meant", probability=0.7, control=Opinion("opposite", 0.2)),
            tried("meant", kind="critique"),
        ),
    )
    assert found.plain == 1
    assert found.moved == pytest.approx((0.1 + 0.5) / 2)
    assert (found.count("meant"), found.count("meant", "comparison"), len(found.of("critique"))) == (3, 2, 1)
    assert Meaning("kind", (tried("meant"),)).plain is None
    assert Meaning("kind", (tried("meant"),)).moved is None


def test_every_principle_has_its_line_in_the_constitutions_order_and_overall_is_over_all_examples() -> None:
    constitution = Constitution(
        name="n", version="1", principles=tuple(Principle(id=name, comparison_question="Q") for name in "abc")
    )
    given = [tried("meant", principle="b"), tried("undecided", principle="a"), tried("meant", principle="a")]
    found = meanings(constitution, given, ["b"])
    assert [(each.principle, each.n, each.failed) for each in found] == [
        ("a", 2, 0),
        ("b", 2, 1),
        ("c", 0, 0),
    ]
    share = overall(found)
    assert share is not None
    assert (share.value, share.n, share.clusters) == (0.5, 4, 2)
    assert overall(meanings(constitution, [], [])) is None


def test_opinions_lean_by_the_mean_of_both_orders_and_one_half_leans_nowhere() -> None:
    given = [tried("undecided", probability=value) for value in (0.6, 0.51, 0.5, 0.5 + 1e-12, 0.4)]
    assert leaning(given) == Leaning(2, 1)
