"""What differs between two constitutions, principle by principle."""

from constitution.difference import Change, describe_difference, difference
from constitution.load import load
from constitution.model import Constitution, Principle, WorkedComparison


def principle(name: str, *, question: str = "Which is kinder?", **more: object) -> Principle:
    return Principle.model_validate({"id": name, "comparison_question": question, **more})


def constitution(*principles: Principle, version: str = "1") -> Constitution:
    return Constitution(name="test", version=version, principles=principles)


WORKED = WorkedComparison(prompt="p", chosen="c", rejected="r")


def test_principles_are_added_removed_reworded_and_reweighted_by_id() -> None:
    before = constitution(principle("a"), principle("b"), principle("c"), principle("d"))
    after = constitution(
        principle("d"), principle("b", question="Which is truer?"), principle("c", weight=2.0), principle("e")
    )
    found = difference(before, after)
    assert [each.id for each in found.added] == ["e"]
    assert [each.id for each in found.removed] == ["a"]
    assert [(each.id, each.reworded, each.reweighted) for each in found.changed] == [
        ("b", ("comparison_question",), False),
        ("c", (), True),
    ]
    assert found.same == 1


def test_a_constitution_does_not_differ_from_itself() -> None:
    found = difference(load("harmless"), load("harmless"))
    assert (found.added, found.removed, found.changed, found.same) == ((), (), (), 22)


def test_what_inherits_differs_by_what_it_adds_and_reweights() -> None:
    found = difference(load("harmless"), load("helpful_harmless"))
    assert (len(found.added), len(found.removed), found.same) == (12, 0, 21)
    assert found.changed[0].changes == (Change("weight", "1", "0.5"),)


def test_the_difference_is_shown_with_both_wordings_and_counted_examples() -> None:
    before = constitution(principle("kind"), principle("calm"), principle("gone"))
    after = constitution(
        principle("kind", question="Which is kinder to the weak?", tags=("care",)),
        principle("calm", comparisons=(WORKED,)),
        principle("new", weight=0.5),
        version="2",
    )
    assert describe_difference(difference(before, after)) == (
        f"from  test 1, 3 principles, digest {before.digest[:12]}\n"
        f"to    test 2, 3 principles, digest {after.digest[:12]}\n"
        "\n"
        "removed     gone (weight 1, compares)\n"
        "added       new (weight 0.5, compares)\n"
        "reworded    kind\n"
        "    comparison_question\n"
        "    - Which is kinder?\n"
        "    + Which is kinder to the weak?\n"
        "    tags: (none) -> care\n"
        "changed     calm\n"
        "    comparisons: 0 taken out, 1 put in\n"
        "unchanged   0 of 3 principles\n"
    )


def test_the_difference_as_plain_data_has_both_texts() -> None:
    before, after = constitution(principle("a")), constitution(principle("a", question="Which is shorter?"))
    found = difference(before, after).as_json()
    assert found["changed"] == {"a": {"comparison_question": ["Which is kinder?", "Which is shorter?"]}}
    assert found["after"] == {"name": "test", "version": "1", "digest": after.digest, "principles": 1}
