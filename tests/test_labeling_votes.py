"""People's votes: pairs shown in a drawn order, votes read back, what they say of people and of the judge."""

import csv
import json
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from critique.model import Text
from labeling.audit.human.load import load_human
from labeling.model import Comparison, Judgment, Labelled, Reading, Vote
from labeling.votes.agreement import agreement, krippendorff_alpha, observed
from labeling.votes.human import voted
from labeling.votes.read import VotesRead, read_votes
from labeling.votes.sheet import HumanVote, Sheet, Word, sheet, sheets
from labeling.votes.write import shown, unshown, votes_as_lines, write_sheets
from pipeline.rows import InputError
from prompts.message import Message


def comparison(number: int, first: str = "=SUM(A1)", second: str = "No.") -> Comparison:
    asked = (Message("user", f"Question {number}?\n\nReally?"),)
    return Comparison(
        f"row-{number}/samples", "samples", asked, Text(first, False, 1), Text(second, False, 1), "theft"
    )


PAIRS = [comparison(number) for number in range(20)]
SHEETS = {each.id: each for each in sheets(PAIRS, seed=3)}


def test_pairs_and_responses_are_shown_in_a_drawn_order_that_is_the_same_for_the_seed() -> None:
    ordered = sheets(PAIRS, seed=3)
    assert ordered == sheets(reversed(PAIRS), seed=3)
    assert [each.id for each in ordered] != [each.id for each in PAIRS]
    assert 4 <= sum(each.swapped for each in ordered) <= 16
    assert [each.swapped for each in ordered] != [each.swapped for each in sheets(PAIRS, seed=4)]
    assert sheets(PAIRS, seed=3, limit=5) == ordered[:5]


@pytest.mark.parametrize(
    ("word", "straight", "swapped"),
    [("1", "first", "second"), ("2", "second", "first"), ("tie", "tie", "tie"), ("skip", "skip", "skip")],
)
def test_a_vote_is_turned_back_into_the_comparisons_order(word: Word, straight: str, swapped: str) -> None:
    pair = PAIRS[0]
    for turned, choice in ((False, straight), (True, swapped)):
        texts = (pair.second.text, pair.first.text) if turned else (pair.first.text, pair.second.text)
        assert Sheet(pair.id, pair.conversation, texts, turned).choice(word) == choice


@pytest.mark.parametrize("name", ["votes.jsonl", "votes.csv", "votes.json"])
def test_a_file_to_vote_in_holds_what_people_need_and_nothing_of_the_judge(tmp_path: Path, name: str) -> None:
    write_sheets(tmp_path / name, list(SHEETS.values()))
    text = (tmp_path / name).read_text()
    assert all(word not in text for word in ("first", "second", "swapped", "logit", "theft", "probability"))
    assert read_votes(tmp_path / name, SHEETS) == VotesRead((), (), blank=20)
    with pytest.raises(InputError, match="is there already"):
        write_sheets(tmp_path / name, [])


def test_a_file_of_no_known_format_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"\.jsonl, \.csv, or \.json"):
        write_sheets(tmp_path / "votes.xlsx", list(SHEETS.values()))


def filled(folder: Path, name: str, words: list[object]) -> Path:
    """An exported file with a vote in each of its first rows, as a person fills it in."""
    path = folder / name
    write_sheets(path, list(SHEETS.values()))
    if name.endswith(".csv"):
        rows = list(csv.DictReader(path.open(newline="")))
        for row, word in zip(rows, words, strict=False):
            row["vote"] = str(word)
        with path.open("w", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
    elif name.endswith(".jsonl"):
        rows = [json.loads(line) for line in path.read_text().splitlines()]
        for row, word in zip(rows, words, strict=False):
            row["vote"] = word
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    else:
        rows = json.loads(path.read_text())
        for row, word in zip(rows, words, strict=False):
            row["responses"] = {"vote": [{"value": str(word), "user_id": "ann"}]}
        path.write_text(json.dumps(rows))
    return path


@pytest.mark.parametrize("name", ["ann.jsonl", "ann.csv", "ann.json"])
def test_votes_come_back_from_every_format(tmp_path: Path, name: str) -> None:
    read = read_votes(filled(tmp_path, name, [1, "2", " Tie ", "skip"]), SHEETS)
    assert [vote.word for vote in read.votes] == ["1", "2", "tie", "skip"]
    assert [vote.sheet for vote in read.votes] == list(SHEETS.values())[:4]
    assert {vote.annotator for vote in read.votes} == {"ann"}
    assert (read.problems, read.blank) == ((), 16)


def test_drafts_and_discarded_answers_of_argilla_are_no_votes(tmp_path: Path) -> None:
    path = filled(tmp_path, "votes.json", ["1", "1", "1"])
    rows = json.loads(path.read_text())
    for row, status in zip(rows, ("draft", "discarded", "submitted"), strict=False):
        row["responses"]["vote"][0]["status"] = status
    path.write_text(json.dumps(rows))
    assert len(read_votes(path, SHEETS).votes) == 1


def test_bad_rows_of_votes_are_told_and_the_others_count(tmp_path: Path) -> None:
    one = next(iter(SHEETS.values()))
    rows: list[object] = [
        {"id": one.id, "pair": one.digest, "annotator": "ann", "vote": "1"},
        {"id": one.id, "pair": one.digest, "annotator": "ann", "vote": "2"},
        {"id": one.id, "pair": one.digest, "annotator": "bob", "vote": "first"},
        {"id": "row-99/samples", "annotator": "bob", "vote": "1"},
        {"id": one.id, "pair": "p0", "annotator": "bob", "vote": "1"},
        {"annotator": "bob", "vote": "1"},
        {"fields": {}, "responses": {"vote": "1"}, "id": one.id},
        [],
        {"id": one.id, "pair": one.digest, "annotator": "cat", "vote": "tie"},
    ]
    path = tmp_path / "votes.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    read = read_votes(path, SHEETS)
    assert [(vote.annotator, vote.word) for vote in read.votes] == [("ann", "1"), ("cat", "tie")]
    assert [problem.line for problem in read.problems] == [2, 3, 4, 5, 6, 7, 8]
    told = "\n".join(map(str, read.problems))
    for what in (
        "`ann` has voted on",
        "the vote is 'first'",
        "the run has no pair `row-99/samples`",
        "has other texts now",
        "no `id`",
        "`responses` are of another form",
        "the row is not an object",
    ):
        assert what in told


def test_votes_are_stored_as_they_are_read(tmp_path: Path) -> None:
    votes = tuple(HumanVote(each, "ann", "2") for each in SHEETS.values())
    (tmp_path / "votes.jsonl").write_text(votes_as_lines(votes))
    assert read_votes(tmp_path / "votes.jsonl", SHEETS).votes == votes


@given(st.text())
def test_a_cell_is_no_formula_and_gives_its_text_back(text: str) -> None:
    assert not shown(text).startswith(("=", "+", "-", "@"))
    assert unshown(shown(text)) == text


def columns(*rows: str) -> list[list[str]]:
    """Units out of one line for each person; a dot stands for no value."""
    return [[value for value in unit if value != "."] for unit in zip(*rows, strict=True)]


def test_alpha_is_krippendorffs_on_his_own_examples() -> None:
    # Krippendorff 2011, examples A (two observers, two values) and C (four observers, some values missing).
    two = columns("0100000010", "1110010000")
    four = columns("123321412...", "1233224125.3", ".3332342251.", "12332441251.")
    assert krippendorff_alpha(two) == pytest.approx(0.095, abs=0.0005)
    assert krippendorff_alpha(four) == pytest.approx(0.743, abs=0.0005)
    assert observed(two) == pytest.approx(0.6)


def test_agreement_by_hand() -> None:
    one, two, three, four = list(SHEETS.values())[:4]

    def choice(each: Sheet, wanted: str) -> Word:
        return next(word for word in ("1", "2", "tie", "skip") if each.choice(word) == wanted)

    said = [
        (one, "ann", "first"),
        (one, "bob", "first"),
        (two, "ann", "second"),
        (two, "bob", "second"),
        (three, "ann", "first"),
        (three, "bob", "second"),
        (three, "cat", "skip"),
        (four, "ann", "tie"),
    ]
    found = agreement([HumanVote(each, name, choice(each, wanted)) for each, name, wanted in said])
    # Three first and three second in six values: two of three pairs agree; D_o = 1/3, D_e = 18/30.
    assert (found.annotators, found.votes, found.pairs) == (2, 7, 3)
    assert found.raw == pytest.approx(2 / 3)
    assert found.alpha == pytest.approx(1 - (1 / 3) / (18 / 30))


def test_agreement_is_unknown_where_nothing_can_be_compared() -> None:
    one, two = list(SHEETS.values())[:2]
    alone = agreement([HumanVote(one, "ann", "1"), HumanVote(two, "bob", "1")])
    assert (alone.raw, alone.alpha) == (None, None)
    same = agreement([HumanVote(one, name, "tie") for name in ("ann", "bob")])
    assert (same.raw, same.alpha) == (1, None)


def labelled(number: int, forward: float, backward: float, probability: float | None) -> Labelled:
    readings = (Reading(forward, 0.9, True), Reading(backward, 0.9, True))
    vote = Vote("p", "judge", False, *readings, probability)
    judgment = Judgment((vote,), probability, "first", "ab", "compare", "hash")
    return Labelled(comparison(number), judgment)


def test_votes_become_pairs_with_the_judges_own_opinion() -> None:
    rows = [labelled(0, 2.0, -1.0, 0.8), labelled(1, 2.0, -1.0, 0.8), labelled(2, 0.1, 0.2, None)]
    by_number = [sheet(row.comparison, seed=3) for row in rows]

    def votes(number: int, *choices: str) -> list[HumanVote]:
        each = by_number[number]
        words: dict[str, Word] = {each.choice(word): word for word in ("1", "2", "tie", "skip")}
        return [HumanVote(each, str(n), words[choice]) for n, choice in enumerate(choices)]

    said = [
        *votes(0, "first", "first", "second", "skip"),
        *votes(1, "second"),
        *votes(2, "first", "tie"),
    ]
    found = voted([*rows, labelled(3, 1, 1, 0.5)], said)
    assert [(pair.id, pair.chosen) for pair in found.pairs] == [
        ("row-0/samples", "=SUM(A1)"),
        ("row-1/samples", "No."),
    ]
    assert {(pair.kind, pair.source) for pair in found.pairs} == {("theft", "votes")}
    agreed, opposed = found.opinions
    assert (agreed.chosen_first, agreed.chosen_second, agreed.probability) == (2.0, 1.0, 0.8)
    assert (opposed.chosen_first, opposed.chosen_second) == (-1.0, -2.0)
    assert opposed.probability == pytest.approx(0.2)
    assert found.left_out == Counter({"no majority for either response": 1})
    assert agreed.chosen_words == 1


def test_a_voted_prompt_is_the_same_cluster_as_in_a_file_of_human_labels(tmp_path: Path) -> None:
    row = {"prompt": PAIRS[0].conversation[0].content, "chosen": "a", "rejected": "b"}
    (tmp_path / "pairs.jsonl").write_text(json.dumps(row))
    each = sheet(PAIRS[0], seed=3)
    found = voted([labelled(0, 1, 1, 0.5)], [HumanVote(each, "ann", "1")])
    assert found.pairs[0].cluster == load_human([tmp_path / "pairs.jsonl"]).pairs[0].cluster
