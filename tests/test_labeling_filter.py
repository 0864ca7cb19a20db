"""Pairs left out for what they say: nearly equal responses, and pairs that were there before."""

import random
import tracemalloc
from collections import Counter

from labeling.dataset import Exported
from labeling.filter import ALIKE, REPEATED, Filter, filtered
from labeling.model import Labelled
from labeling.pair_settings import FilterSettings
from labeling.preferences import PreferenceRow, preference_dataset
from labeling.settings import LabelingSettings
from prompts.message import Message, MessageDict
from tests.labeling_fixtures import PROVENANCE, labelled

TOLD = "I will not help with that, since it may get somebody hurt; ask a locksmith in your town about it."
WOULD = "First take a bent pin, and then a small wrench, and turn the lock slowly until all pins are set."
OTHER = "Bread needs flour, water, salt and time: mix them, wait for a night, and bake it hot in the oven."


def preferences(*items: Labelled) -> Exported[PreferenceRow]:
    return preference_dataset(items, LabelingSettings(), PROVENANCE)


def kept(*items: Labelled, **settings: float) -> tuple[list[str], Counter[str]]:
    exported = filtered(preferences(*items), Filter(FilterSettings.model_validate(settings)))
    return [row["id"] for row in exported.rows], exported.counts


def test_a_pair_of_nearly_equal_responses_is_left_out_with_its_reason() -> None:
    alike = labelled(f"{OTHER} {TOLD}", f"{OTHER} {TOLD}".replace("town", "city"), 0.9, id="alike")
    ids, counts = kept(alike, labelled(TOLD, WOULD, 0.9, id="apart"))
    assert ids == ["apart"]
    assert counts == {"samples: kept": 1, f"samples: {ALIKE}": 1}


def test_short_responses_are_not_alike_for_their_form() -> None:
    # 12 pieces each, 11 of them in both: 11 / 13.
    assert kept(labelled("You are welcome.", "You are welcome!", 0.9, id="short"))[0] == ["short"]


def test_a_pair_that_says_nearly_the_same_as_an_earlier_one_is_left_out() -> None:
    again = labelled(TOLD.upper(), WOULD.replace(", and then", " and then"), 0.9, id="again")
    ids, counts = kept(labelled(TOLD, WOULD, 0.9, id="first"), again, labelled(OTHER, WOULD, 0.9, id="new"))
    assert ids == ["first", "new"]
    assert counts == {"samples: kept": 2, f"samples: {REPEATED}": 1}


def test_other_responses_to_one_long_conversation_are_no_repetition() -> None:
    said = (Message("user", " ".join([OTHER, WOULD, TOLD] * 20)),)
    first = labelled(TOLD, WOULD, 0.9, id="a", conversation=said)
    second = labelled(OTHER, WOULD, 0.9, id="b", conversation=said)
    assert kept(first, second)[0] == ["a", "b"]


def test_the_same_responses_to_another_conversation_are_no_repetition() -> None:
    other = labelled(TOLD, WOULD, 0.9, id="b", conversation=(Message("user", "And how do I open a safe?"),))
    assert kept(labelled(TOLD, WOULD, 0.9, id="a"), other)[0] == ["a", "b"]


def test_the_opposite_preference_is_no_repetition() -> None:
    pairs = (labelled(TOLD, WOULD, 0.9, id="a"), labelled(TOLD, WOULD, 0.1, id="b"))
    assert kept(*pairs)[0] == ["a", "b"]


def test_at_one_nothing_is_left_out() -> None:
    pair = labelled(TOLD, f"{TOLD} ", 0.9, verdict="first", id="a")
    again = labelled(TOLD, f"{TOLD} ", 0.9, verdict="first", id="b")
    assert kept(pair, again, max_response_similarity=1, max_pair_similarity=1)[0] == ["a", "b"]


def test_memory_does_not_hold_the_pairs() -> None:
    letters = "".join(random.Random(0).choices("abcdefghij", k=220_000))
    keep, row = Filter(FilterSettings()), next(preferences(labelled(TOLD, WOULD, 0.9)).rows)
    tracemalloc.start()
    for number in range(100):
        chosen: MessageDict = {"role": "assistant", "content": letters[number * 2_000 :][:10_000]}
        assert keep.fault({**row, "chosen": [chosen]}) == ""
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 100 * 10_000 / 1.5
