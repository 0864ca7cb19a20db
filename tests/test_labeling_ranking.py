"""Ranks of n responses from their comparisons: numbers worked out by hand, ties and gaps said."""

from collections import Counter
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labeling.model import Labelled
from labeling.ranking import Ranking, Unranked, best_and_worst, ranked
from labeling.settings import LabelingSettings
from labeling.trust import Believing, Trust
from tests.labeling_fixtures import group, labelled

BELIEVED = Believing(LabelingSettings())
THREE = [("a", "b", 0.2), ("a", "c", 0.9), ("b", "c", 0.6)]


def ranks(items: list[Labelled], believed: Believing = BELIEVED) -> Ranking:
    outcome = ranked(items, believed)
    assert isinstance(outcome, Ranking)
    return outcome


def names(ranking: Ranking) -> list[str]:
    return [response.text for response in ranking.responses]


def test_a_response_scores_its_mean_probability_of_winning() -> None:
    found = ranks(group("g", *THREE))
    assert names(found) == ["b", "a", "c"]
    # b: (0.8 + 0.6) / 2, a: (0.2 + 0.9) / 2, c: (0.1 + 0.4) / 2
    assert found.scores == pytest.approx((0.7, 0.55, 0.25))
    assert (found.ranks, found.measure, found.unranked) == ((1, 2, 3), "win_probability", 0)
    assert found.extremes.comparison.id == "g/b-c"


def test_a_tie_is_half_a_win_and_equal_scores_share_a_rank() -> None:
    # The judge's orders named different winners of a and b: 0.7 is no win.
    items = [
        labelled("a", "b", 0.7, verdict="tie", source="best_of_n", group="g"),
        *group("g", ("a", "c", 0.9), ("b", "c", 0.9)),
    ]
    found = ranks(items)
    assert found.scores == pytest.approx((0.7, 0.7, 0.1))
    assert (names(found), found.ranks) == (["a", "b", "c"], (1, 1, 3))


def test_scores_of_single_responses_rank_them_where_the_way_gives_them() -> None:
    def scored(one: str, other: str, scores: tuple[float, float]) -> Labelled:
        return labelled(one, other, 0.6 if scores[0] > scores[1] else 0.4, scores=scores, group="g")

    items = [scored("a", "b", (0.5, -0.5)), scored("a", "c", (0.5, 0.75)), scored("b", "c", (-0.5, 0.75))]
    found = ranks(items)
    assert (names(found), found.scores, found.measure) == (["c", "a", "b"], (0.75, 0.5, -0.5), "score")


def test_a_judge_of_ties_everywhere_ranks_nothing() -> None:
    assert ranked(group("g", ("a", "b", 0.5), ("a", "c", 0.5), ("b", "c", 0.5)), BELIEVED) == Unranked("tie")


def test_a_circle_of_equal_wins_has_no_best_response() -> None:
    assert ranked(group("g", ("a", "b", 0.8), ("a", "c", 0.2), ("b", "c", 0.8)), BELIEVED) == Unranked("tie")


def test_a_response_whose_comparisons_cannot_be_read_is_left_out_and_not_guessed() -> None:
    items = group("g", ("a", "b", 0.7), ("a", "c", None), ("a", "d", 0.6), ("b", "c", None), ("b", "d", 0.9))
    items += group("g", ("c", "d", 0.9))
    found = ranks(items)
    assert names(found) == ["a", "b", "d"]
    assert (found.unranked, len(found.comparisons)) == (1, 3)
    # a: (0.7 + 0.6) / 2, b: (0.3 + 0.9) / 2, d: (0.4 + 0.1) / 2; what c won against d is no part of it.
    assert found.scores == pytest.approx((0.65, 0.6, 0.25))


def test_where_nothing_can_be_read_the_reason_is_the_judges() -> None:
    unparsed = group("g", ("a", "b", None))
    assert ranked(unparsed, BELIEVED) == Unranked("unparsed")
    refused = [labelled("a", "b", None, verdict="refused", group="g", source="best_of_n")]
    assert ranked(refused, BELIEVED) == Unranked("refused")


def test_the_best_goes_against_the_worst_and_other_pairs_pass() -> None:
    counts: Counter[str] = Counter()
    alone = labelled("x", "y", 0.9)
    items = [alone, *group("g", *THREE), *group("h", ("a", "b", 0.5)), *group("i", ("a", "b", None)), alone]
    found = list(best_and_worst(items, BELIEVED, counts=counts))
    assert [item.comparison.id for item in found] == ["x-y", "g/b-c", "x-y"]
    assert counts == {"best_of_n: tie": 1, "best_of_n: unparsed": 1}


def test_a_pair_that_the_judge_decides_against_its_ranks_is_left_out() -> None:
    # a beats b and d by much and loses to c narrowly; c loses to everybody else.
    items = group("g", ("a", "b", 0.9), ("a", "c", 0.45), ("a", "d", 0.9))
    items += group("g", ("b", "c", 0.9), ("b", "d", 0.5), ("c", "d", 0.1))
    found = ranks(items)
    assert (names(found)[0], names(found)[-1]) == ("a", "c")
    counts: Counter[str] = Counter()
    assert list(best_and_worst(items, BELIEVED, counts=counts)) == []
    assert counts == {"best_of_n: ranks contradicted": 1}


def test_an_audits_calibration_is_in_the_ranks() -> None:
    trust = Trust("digest", lambda probability: (probability + 0.5) / 2, min_confidence=0.56)
    found = ranks(group("g", *THREE), Believing(LabelingSettings(), trust))
    # 0.2, 0.9 and 0.6 become 0.35, 0.7 and 0.55, and the last one is too little: a half.
    assert names(found) == ["b", "a", "c"]
    assert found.scores == pytest.approx((0.575, 0.525, 0.4))


@given(st.lists(st.sampled_from([0.1, 0.3, 0.5, 0.7, 0.9, None]), min_size=10, max_size=10))
def test_ranks_follow_scores_and_swapped_comparisons_give_the_same(
    probabilities: list[float | None],
) -> None:
    items = group("g", *((*pair, p) for pair, p in zip(combinations("abcde", 2), probabilities, strict=True)))
    outcome = ranked(items, BELIEVED)
    if isinstance(outcome, Unranked):
        assert outcome.reason in ("tie", "unparsed")
        return
    assert list(outcome.scores) == sorted(outcome.scores, reverse=True)
    assert list(outcome.ranks) == [
        1 + sum(other - score > 1e-6 for other in outcome.scores) for score in outcome.scores
    ]
    assert len(outcome.comparisons) == len(outcome.responses) * (len(outcome.responses) - 1) // 2
    assert len(outcome.responses) + outcome.unranked == 5
    swapped = [
        labelled(
            item.comparison.second.text,
            item.comparison.first.text,
            None if item.judgment.probability is None else 1 - item.judgment.probability,
            group="g",
        )
        for item in items
    ]
    if not outcome.unranked:
        turned = ranks(swapped)
        score = dict(zip(names(outcome), outcome.scores, strict=True))
        assert dict(zip(names(turned), turned.scores, strict=True)) == pytest.approx(score)
