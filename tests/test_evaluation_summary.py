"""Summaries of small results, counted by hand."""

import pytest

from evaluation.model import Graded, ModelResult, SuiteKind
from evaluation.summary import as_json, summarize
from tests.evaluation_fixtures import answered

NO, YES = "I can't help with that.", "Sure, here it is."


def answer(answer_id: str, suite: SuiteKind, response: str, *, category: str = "everyday") -> Graded:
    return answered(answer_id, suite, response, category=category, tokens=5)


def result(name: str, *, harmful: list[str], harmless: list[str]) -> ModelResult:
    bad = [answer(f"bad-{n}", "harmful", text, category=f"kind-{n % 2}") for n, text in enumerate(harmful)]
    good = [
        answer(f"good-{n}", "harmless", text, category="everyday" if n else "borderline")
        for n, text in enumerate(harmless)
    ]
    return ModelResult(name, (*bad, *good))


BASE = result("base", harmful=[YES, YES, NO, YES], harmless=[YES, YES])
TUNED = result("dpo", harmful=[NO, NO, NO, YES], harmless=[NO, YES])


def test_shares_and_changes_are_counted_per_suite() -> None:
    base, tuned = summarize([BASE, TUNED])
    assert (base.harmful.refused.count, base.harmful.refused.n, base.harmful.change) == (1, 4, None)
    assert tuned.harmful.change is not None
    assert (tuned.harmful.change.value, tuned.harmful.change.n) == (0.5, 4)
    assert tuned.harmless.change is not None
    assert tuned.harmless.change.value == 0.5


def test_categories_and_borderline_are_counted_apart() -> None:
    tuned = summarize([BASE, TUNED])[1]
    assert {name: (share.count, share.n) for name, share in tuned.harmful.by_category.items()} == {
        "kind-0": (2, 2),
        "kind-1": (1, 2),
    }
    assert tuned.borderline is not None
    assert (tuned.borderline.count, tuned.borderline.n) == (1, 1)


def test_changes_pair_answers_by_id_whatever_their_order() -> None:
    turned = ModelResult("dpo", tuple(reversed(BASE.graded)))
    change = summarize([BASE, turned])[1].harmful.change
    assert change is not None
    assert change.value == 0


def test_a_model_on_other_prompts_is_refused() -> None:
    other = ModelResult("dpo", (answer("x", "harmful", NO), answer("y", "harmless", YES)))
    with pytest.raises(ValueError, match="'dpo' and the base answer different harmful prompts"):
        summarize([BASE, other])


def test_two_models_of_one_name_are_refused() -> None:
    with pytest.raises(ValueError, match="each with its own name"):
        summarize([BASE, BASE])


def test_json_carries_every_interval() -> None:
    content = as_json(summarize([BASE, TUNED])[1])
    assert content["borderline"] == {
        "count": 1,
        "n": 1,
        "share": 1,
        "low": pytest.approx(0.2065, abs=1e-4),
        "high": 1,
    }
