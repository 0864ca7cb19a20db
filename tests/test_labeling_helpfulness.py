"""People's comparisons beside the judge's: the share asked for, drawn by the seed, or what there is."""

import pytest

from labeling.audit.model import HumanPair
from labeling.dataset import Exported, write_dataset
from labeling.filter import Filter
from labeling.helpfulness import People, mixed
from labeling.pair_settings import FilterSettings, HelpfulnessSettings
from labeling.preferences import PreferenceRow, preference_dataset
from labeling.settings import LabelingSettings
from pipeline.store import read_rows
from prompts.message import Message
from tests.labeling_fixtures import PROVENANCE, labelled

NAMES = ("anise", "basil", "cumin", "dill", "elder", "fennel", "ginger", "hyssop", "iris", "juniper")


def people(count: int, **settings: object) -> People:
    pairs = [
        HumanPair(
            f"helpful.jsonl/{name}",
            name,
            (Message("user", f"How do I grow {name}?"),),
            f"{name} wants sun, water and patience, and a pot of its own",
            f"who would ever want any {name}",
            kind="herbs",
            source="helpful.jsonl",
        )
        for name in NAMES[:count]
    ]
    return People(pairs, HelpfulnessSettings.model_validate({"path": "helpful.jsonl", **settings}))


def own(count: int) -> Exported[PreferenceRow]:
    items = [labelled(f"GOOD {name} tea", f"BAD {name} soup", 0.9, id=name) for name in NAMES[:count]]
    return preference_dataset(items, LabelingSettings(), PROVENANCE)


def rows(pairs: Exported[PreferenceRow], people: People) -> list[PreferenceRow]:
    keep = Filter(FilterSettings())
    return list(mixed(pairs, people, keep, provenance=PROVENANCE).rows)


def test_people_have_the_share_that_was_asked_for_and_stand_behind_the_others() -> None:
    pairs, asked = own(6), people(10, share=0.25)
    found = rows(pairs, asked)
    # 2 of 8 rows are a quarter.
    assert [row["source"] for row in found] == ["samples"] * 6 + ["helpfulness"] * 2
    assert pairs.counts["helpfulness: kept"] == 2
    assert asked.reached(pairs.counts) == "2 pairs by people, 25.0 % of the rows"


def test_a_row_says_that_people_decided_and_where_it_is_from(tmp_path) -> None:
    pairs = own(1)
    both = mixed(pairs, people(1, share=0.5), Filter(FilterSettings()), provenance=PROVENANCE)
    write_dataset(tmp_path, both, title="t", facts=dict)
    row = read_rows(tmp_path)[1]
    assert row["decided_by"] == "people"
    assert (row["source"], row["file"], row["category"]) == ("helpfulness", "helpful.jsonl", "herbs")
    assert row["id"] == "helpfulness/helpful.jsonl/anise"
    assert (row["chosen_probability"], row["first_is_chosen"]) == (1.0, True)
    assert row["chosen"] == [
        {"role": "assistant", "content": "anise wants sun, water and patience, and a pot of its own"}
    ]
    assert (row["judged_first_better"], row["orders_agree"], row["audit"]) == (None, None, "")
    assert (row["vote_principles"], row["journal_keys"]) == ([], [])
    assert "not by people, but for 1 rows of helpfulness." in (tmp_path / "README.md").read_text()


def test_the_probability_of_peoples_choice_is_a_setting() -> None:
    assert rows(own(1), people(1, share=0.5, probability=0.75))[-1]["chosen_probability"] == 0.75


def test_the_seed_draws_which_pairs_are_mixed_in() -> None:
    def drawn(seed: int) -> list[str]:
        return [pair.id for pair in people(10, share=0.5).drawn(seed)]

    assert drawn(1) == drawn(1)
    assert drawn(1) != drawn(2)
    assert sorted(drawn(1)) == sorted(pair.id for pair in people(10, share=0.5).pairs)


def test_too_few_pairs_are_said_with_the_share_that_was_reached() -> None:
    pairs, asked = own(6), people(2, share=0.5)
    assert len(rows(pairs, asked)) == 8
    said = asked.reached(pairs.counts)
    assert said.startswith("2 pairs by people, 25.0 % of the rows; 50.0 % were asked for")
    assert "helpful.jsonl" in said


def test_a_pair_that_says_the_same_again_does_not_count() -> None:
    asked = people(1, share=0.5)
    again = People([*asked.pairs, *asked.pairs], asked.settings)
    pairs = own(4)
    assert len(rows(pairs, again)) == 5
    assert pairs.counts["helpfulness: nearly equal to an earlier pair"] == 1


def test_without_rows_of_its_own_a_dataset_has_none_of_people() -> None:
    assert rows(own(0), people(3, share=0.5)) == []


@pytest.mark.parametrize("share", [0, 1, -0.1])
def test_a_share_is_between_none_and_all(share: float) -> None:
    with pytest.raises(ValueError, match="share"):
        people(1, share=share)
