"""How often orders and votes named one response, counted by hand."""

from dataclasses import replace

from labeling_fixtures import labelled

from labeling.agreement import Agreement
from labeling.model import Labelled


def voted(*probabilities: float) -> Labelled:
    """A pair with a vote of each probability."""
    votes = tuple(
        vote for probability in probabilities for vote in labelled("a", "b", probability).judgment.votes
    )
    item = labelled("a", "b", probabilities[0])
    return replace(item, judgment=replace(item.judgment, votes=votes))


def test_pairs_go_on_as_they_are_and_orders_that_name_one_response_are_counted() -> None:
    given = [labelled("a", "b", 0.8), labelled("c", "d", 0.5), labelled("same", "same", None)]
    agreed = Agreement(ordered=True)
    assert list(agreed.counting(given)) == given
    assert str(agreed) == (
        "the two orders named the same response in 1 of 2 pairs (50 %), else the same position"
    )


def test_votes_are_told_where_there_are_several() -> None:
    agreed = Agreement(ordered=True)
    assert len(list(agreed.counting([voted(0.8, 0.9), voted(0.9, 0.2), voted(0.7)]))) == 3
    assert str(agreed).endswith("; all votes were for the same response in 1 of 2 pairs (50 %)")


def test_responses_that_were_scored_one_by_one_have_no_order() -> None:
    agreed = Agreement(ordered=False)
    assert list(agreed.counting([])) == []
    assert str(agreed) == "responses were scored one by one, so no order can have biased the judge"
