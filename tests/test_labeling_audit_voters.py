"""Which principle agrees, decides, contradicts: against votes that were worked out by hand."""

from dataclasses import replace

import pytest
from audit_fixtures import pairs

from labeling.audit.ask import Audited
from labeling.audit.voters import voters
from labeling.model import Judgment, Reading, Vote


def audited(votes: list[dict[str, float]]) -> list[Audited]:
    """One pair for each mapping of principle to P(people's choice)."""
    given = pairs(len(votes))
    return [
        Audited(
            pair,
            Judgment(tuple(vote(*item) for item in each.items()), 0.5, "tie", "ab", "compare", "hash"),
            "",
            "",
            (),
        )
        for pair, each in zip(given, votes, strict=True)
    ]


def vote(principle: str, probability: float) -> Vote:
    reading = Reading(0.0, 1.0, argmax_is_label=True)
    return Vote(principle, "judge", False, reading, reading, probability)


def test_a_principle_decides_where_the_verdict_is_another_one_without_it() -> None:
    found = voters(
        # Means 0.6 (0.55 without strong, 0.65 without weak); 0.575 (0.4 without strong, 0.75 without weak).
        audited([{"strong": 0.65, "weak": 0.55}, {"strong": 0.75, "weak": 0.4}]),
        combine="mean_probability",
    )
    strong, weak = found.by_name["strong"], found.by_name["weak"]
    assert strong.decides is not None
    assert strong.decides.value == 0.5
    assert weak.decides is not None
    assert weak.decides.value == 0
    assert found.idle == ("weak",)
    assert strong.accuracy is not None
    assert strong.accuracy.value == 1
    assert weak.accuracy is not None
    assert weak.accuracy.value == 0.5
    assert weak.confidence == pytest.approx((0.55 + 0.6) / 2)


def test_principles_contradict_where_they_name_different_responses_and_ties_are_left_out() -> None:
    found = voters(
        audited([{"a": 0.9, "b": 0.1}, {"a": 0.9, "b": 0.2}, {"a": 0.9, "b": 0.8}, {"a": 0.5, "b": 0.8}]),
        combine="mean_probability",
    )
    (pair,) = found.contradictions
    assert pair.between == ("a", "b")
    assert (pair.share.value, pair.share.n) == (pytest.approx(2 / 3), 3)


def test_where_one_principle_votes_on_a_pair_nothing_is_said_of_deciding() -> None:
    found = voters(audited([{"a": 0.9}, {"b": 0.2}, {"a": 0.3}]), combine="mean_logit")
    assert found.by_name["a"].decides is None
    assert found.by_name["a"].pairs == 2
    assert found.idle == ()
    assert found.contradictions == ()


def test_judges_of_a_panel_are_looked_at_in_the_same_way() -> None:
    (one, other) = audited([{"a": 0.9}, {"a": 0.9}])
    panel = [
        replace(
            each,
            judgment=replace(
                each.judgment,
                votes=(
                    replace(vote("a", 0.9), judge="strict"),
                    replace(vote("a", 0.2), judge="lenient"),
                    replace(vote("b", 0.3), judge="lenient"),
                ),
            ),
        )
        for each in (one, other)
    ]
    found = voters(panel, combine="mean_probability", by="judge")
    assert list(found.by_name) == ["lenient", "strict"]
    strict = found.by_name["strict"]
    # 1.4 / 3 of all, 0.25 without it: the other response either way.
    assert strict.decides is not None
    assert strict.decides.value == 0
    assert found.contradictions[0].share.value == 1
