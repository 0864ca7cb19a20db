"""Verdicts of a judge that was asked elsewhere, in JudgeBench's form, and the figures that follow of them."""

import json
from pathlib import Path

import pytest

from labeling.audit.figures import figures
from labeling.audit.opinion import opinion_of
from labeling.audit.recorded import Recorded, load_recorded
from labeling.settings import LabelingSettings
from pipeline.rows import InputError

SETTINGS = LabelingSettings()


def row(name: str, label: str, *said: object) -> dict[str, object]:
    """A pair as JudgeBench publishes it, each verdict on what was shown then."""
    return {
        "pair_id": name,
        "source": "logic",
        "question": f"Question {name}?",
        "response_A": f"answer A of {name}",
        "response_B": f"answer B of {name}, longer",
        "label": label,
        "judgments": [None if each is None else {"judgment": {}, "decision": each} for each in said],
    }


def recorded(folder: Path, *rows: dict[str, object]) -> Recorded:
    file = folder / "verdicts.jsonl"
    file.write_text("\n".join(map(json.dumps, rows)) + "\n")
    return load_recorded([file], SETTINGS)


def probabilities(found: Recorded) -> list[float | None]:
    return [each.judgment.probability for each in found.audited]


def test_verdicts_on_either_order_become_probabilities_of_what_people_chose(tmp_path: Path) -> None:
    found = recorded(
        tmp_path,
        row("right", "A>B", "A>B", "B>A"),
        row("wrong", "B>A", "A>B", "B>A"),
        row("place", "B>A", "A>B", "A>B"),
        row("leans", "B>A", "B>A", "A=B"),
        row("doubt", "A>B", "A=B", "A=B"),
    )
    right, wrong, place, leans, doubt = probabilities(found)
    assert right == pytest.approx(1, abs=1e-6)
    assert wrong == pytest.approx(0, abs=1e-6)
    assert place == doubt == pytest.approx(0.5)
    assert leans == pytest.approx(0.75)
    assert [each.judgment.verdict for each in found.audited] == ["first", "second", "tie", "first", "tie"]


def test_the_figures_are_those_worked_out_by_hand(tmp_path: Path) -> None:
    found = recorded(
        tmp_path,
        row("1", "A>B", "A>B", "B>A"),  # right in both orders
        row("2", "B>A", "B>A", "A>B"),  # right in both orders
        row("3", "A>B", "B>A", "B>A"),  # the second one shown, twice: a tie
        row("4", "B>A", "B>A", "A=B"),  # right in one order, undecided in the other
        row("5", "A>B", None, "B>A"),  # one verdict is missing
    )
    told = figures([opinion_of(each.pair, each.judgment) for each in found.audited])
    assert told.agreement is not None
    assert told.position is not None
    assert told.unparsed.value == pytest.approx(1 / 5)
    assert told.agreement.accuracy.value == pytest.approx((1 + 1 + 0.5 + 1) / 4)
    assert told.agreement.ties == 1
    assert told.position.consistency.value == pytest.approx((1 + 1 + 0 + 0.5) / 4)
    assert told.position.second_twice.value == pytest.approx((1 + 0.5) / 4)


def test_a_single_order_counts_and_leaves_consistency_unknown(tmp_path: Path) -> None:
    found = recorded(tmp_path, row("1", "A>B", "A>B"), row("2", "B>A", "A>B"), row("3", "B>A", "B>A"))
    assert probabilities(found) == pytest.approx([1, 0, 1], abs=1e-6)
    assert figures([opinion_of(each.pair, each.judgment) for each in found.audited]).position is None


def test_verdicts_may_be_probabilities_and_stand_in_any_form_of_human_labels(tmp_path: Path) -> None:
    found = recorded(tmp_path, {"prompt": "Q?", "chosen": "good", "rejected": "bad", "judgments": [0.8, 0.4]})
    assert probabilities(found) == pytest.approx([(0.8 + 0.6) / 2])


def test_rows_without_verdicts_that_can_be_read_are_told_and_the_rest_is_used(tmp_path: Path) -> None:
    bare = row("2", "B>A") | {"judgments": None}
    found = recorded(
        tmp_path,
        row("1", "A>B", "A>B", "B>A"),
        bare,
        row("3", "B>A", "better"),
        row("4", "B>A", "A>B", "A>B", "A>B"),
        row("5", "B>A", "B>A", "A>B"),
    )
    (file,) = found.files
    assert (file.pairs, len(found.pairs)) == (2, 2)
    assert [problem.line for problem in file.problems] == [2, 3, 4]
    assert [problem.what for problem in file.problems] == [
        "no `judgments`",
        "the verdict 'better' is not known",
        "`judgments` holds no list of one or two verdicts",
    ]


def test_a_file_without_any_verdict_is_an_error(tmp_path: Path) -> None:
    rows = [row("1", "A>B") | {"judgments": None}, row("2", "B>A") | {"judgments": []}]
    with pytest.raises(InputError, match="no `judgments`"):
        recorded(tmp_path, *rows)
