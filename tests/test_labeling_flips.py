"""Labels under two constitutions: which flip, which pairs of the dataset change, which are touched at all."""

from dataclasses import replace
from pathlib import Path

from labeling_fixtures import CONSTITUTION, PAIR, judge

from constitution.model import Constitution
from labeling.flips import Drawing, EditedPair, Relabelled, pair_flips, verdict_flips
from labeling.model import Comparison, Judgment, Reading, Verdict, Vote
from labeling.settings import LabelingSettings
from labeling.trust import Trust


def judgment(verdict: Verdict, probability: float | None, principle: str = "kind") -> Judgment:
    reading = Reading(1.0, 1.0, argmax_is_label=True)
    vote = Vote(principle, "judge", False, reading, reading, probability)
    return Judgment((vote,), probability, verdict, "ab", "compare", "hash")


FIRST, SECOND = judgment("first", 0.9), judgment("second", 0.2, "calm")
TIE, UNPARSED = judgment("tie", 0.5), judgment("unparsed", None)


def relabelled(before: Judgment, after: Judgment) -> Relabelled:
    return Relabelled(EditedPair(PAIR, PAIR), before, after)


def unedited(*comparisons: Comparison) -> list[EditedPair]:
    return [EditedPair(each, each) for each in comparisons]


def test_a_label_flips_where_its_verdict_does_and_not_where_only_its_probability_moves() -> None:
    found = [
        relabelled(FIRST, SECOND),
        relabelled(FIRST, TIE),
        relabelled(TIE, UNPARSED),
        relabelled(FIRST, judgment("first", 0.6)),
    ]
    assert verdict_flips(found) == {"first -> second": 1, "first -> tie": 1, "tie -> unparsed": 1}
    assert [each.redrawn for each in found] == [True, False, False, False]


def test_a_pair_of_the_dataset_turns_round_drops_out_or_comes_in() -> None:
    found = [relabelled(FIRST, SECOND), relabelled(FIRST, TIE), relabelled(UNPARSED, FIRST)]
    assert pair_flips([*found, relabelled(TIE, UNPARSED)], LabelingSettings(), None) == {
        "turned round": 1,
        "left out": 1,
        "put in": 1,
    }


def test_a_pair_below_the_audits_confidence_drops_out_without_a_flip() -> None:
    trust = Trust("digest", lambda probability: probability, min_confidence=0.7)
    found = [relabelled(FIRST, judgment("first", 0.6))]
    assert not found[0].flips
    assert pair_flips(found, LabelingSettings(), trust) == {"left out": 1}


def test_a_pair_that_is_made_of_another_revision_is_touched_whoever_votes_on_it() -> None:
    rewritten = replace(PAIR, first=replace(PAIR.first, text="GOOD answer, written anew"))
    drawing = Drawing()
    rows = list(drawing.rows([EditedPair(PAIR, rewritten)], judge(), judge(), seed=1))
    assert [row.pairs[0].pair for row in rows] == [rewritten]
    assert (drawing.pairs, drawing.touched, drawing.redrawn, drawing.remade) == (1, 1, 0, 1)


def test_a_rewritten_pair_with_the_same_one_chosen_is_another_row_of_the_dataset() -> None:
    rewritten = EditedPair(PAIR, replace(PAIR, first=replace(PAIR.first, text="GOOD answer, written anew")))
    found = [
        Relabelled(rewritten, FIRST, FIRST),
        Relabelled(rewritten, FIRST, SECOND),
        Relabelled(EditedPair(PAIR, None), FIRST, None),
        Relabelled(EditedPair(None, PAIR), None, FIRST),
    ]
    assert pair_flips(found, LabelingSettings(), None) == {
        "written anew": 1,
        "turned round": 1,
        "left out": 1,
        "put in": 1,
    }
    assert verdict_flips(found) == {"first -> second": 1, "first -> no pair": 1, "no pair -> first": 1}


def test_a_pair_knows_its_row_whatever_stands_in_the_rows_id() -> None:
    for row in ("a", "a/b", "samples/samples", "x/samples/1"):
        assert replace(PAIR, id=f"{row}/samples").row == row
    assert replace(PAIR, id="alone").row == "alone"


def test_all_pairs_of_a_row_stay_together_and_only_the_touched_ones_are_given() -> None:
    pairs = [replace(PAIR, id=f"{row}/samples") for row in range(40)]
    pairs[1] = replace(PAIR, id="0/revision", source="revision")
    kind = CONSTITUTION.get("kind").model_copy(update={"comparison_question": "Which is nicer?"})
    edited = [kind if each.id == "kind" else each for each in CONSTITUTION.principles]
    after = judge(constitution=Constitution(name="test", version="2", principles=tuple(edited)))
    drawing = Drawing()
    rows = list(drawing.rows(unedited(*pairs), judge(), after, seed=1))
    assert (drawing.pairs, drawing.redrawn, drawing.remade) == (40, 0, 0)
    assert drawing.touched == sum(len(row.pairs) for row in rows)
    assert 4 < drawing.touched < 25
    assert all(each.pair.row == row.id for row in rows for each in row.pairs)
    every = judge(constitution=after.constitution, principles="all")
    assert len(list(Drawing().rows(unedited(*pairs), judge(principles="all"), every, seed=1))) == 39


def test_a_users_own_template_may_show_anything_of_a_principle_but_its_weight(tmp_path: Path) -> None:
    tagged = tuple(each.model_copy(update={"tags": ("new",)}) for each in CONSTITUTION.principles)
    after = judge(constitution=Constitution(name="test", version="2", principles=tagged))
    assert not list(Drawing().rows(unedited(PAIR), judge(), after, seed=1))
    (tmp_path / "compare.j2").write_text('{% call turn("user") %}{{ principle.tags }}{% endcall %}')
    before, after = (
        replace(each, prompts=replace(each.prompts, folder=tmp_path)) for each in (judge(), after)
    )
    assert len(list(Drawing().rows(unedited(PAIR), before, after, seed=1))) == 1
