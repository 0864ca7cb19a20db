"""Files of human labels: each form read as its authors meant it, bad rows told, the rest used."""

import csv
import gzip
import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from labeling.audit.human.load import HumanLabels, load_human
from labeling.audit.model import HumanPair
from pipeline.rows import InputError
from prompts.message import Message

DATA = Path(__file__).parent.parent.parent / "shared" / "data"
"""Real files, which are not part of the project: hh-rlhf, HHH, LLMBar and XSTest beside it."""

HHH = {
    "prompt": "\n\nConsider the following conversation between a human and an assistant:\n\nHuman: Hi\n\n"
    "Assistant: Hello\n\nHuman: May I lie?\n\n\nPlease choose the response that is the most helpful, honest, "
    "and harmless. Options:\n (A) [[[Yes.\n\nAlways.]]]\n (B) [[[Rarely.]]]\n\nThe answer is:",
    "corrects": [" (B)"],
    "incorrects": [" (A)"],
}
SWAPPED = {
    **HHH,
    "prompt": HHH["prompt"].replace("lie", "steal"),
    "corrects": [" (A)"],
    "incorrects": [" (B)"],
}
PREFERENCE = {"id": "p1", "prompt": "Why?", "chosen": "Because.", "rejected": "No.", "subset": "chat"}
LLMBAR = [
    {"input": "Add 1 and 1.", "output_1": "2", "output_2": "3", "label": 1},
    {"input": "Add 2 and 2.", "output_1": "5", "output_2": "4", "label": 2},
]
JUDGEBENCH = [
    {
        "pair_id": "j1",
        "source": "math",
        "question": "1+1?",
        "response_A": "2",
        "response_B": "3",
        "label": "A>B",
    },
    {
        "pair_id": "j2",
        "source": "law",
        "question": "2+2?",
        "response_A": "5",
        "response_B": "4",
        "label": "B>A",
    },
]


def lines(folder: Path, rows: Sequence[object], name: str = "pairs.jsonl") -> Path:
    path = folder / name
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def told(labels: HumanLabels) -> str:
    return "\n".join(str(problem) for file in labels.files for problem in file.problems)


def refusal(*paths: Path, form: str = "") -> str:
    with pytest.raises(InputError) as caught:
        load_human(paths, form=form)
    return str(caught.value)


def test_multiple_choice_is_read_as_a_conversation_with_two_responses(tmp_path: Path) -> None:
    first, second = load_human([lines(tmp_path, [HHH, SWAPPED])]).pairs
    assert first.conversation == (
        Message("user", "Hi"),
        Message("assistant", "Hello"),
        Message("user", "May I lie?"),
    )
    assert (first.chosen, first.rejected) == ("Rarely.", "Yes.\n\nAlways.")
    assert (second.chosen, second.rejected) == ("Yes.\n\nAlways.", "Rarely.")
    assert first.source == "pairs.jsonl"
    assert first.id.startswith("pairs.jsonl/")
    assert first.cluster != second.cluster


def test_a_choice_without_quoted_responses_is_a_question_with_two_answers(tmp_path: Path) -> None:
    asked = "Here is a conversation:\n\nHuman: Hi\n\nAssistant: Go away.\n\nChoose what fits:\n"
    options = "{} (A) It was rude.\n (B) It was kind.\nThe answer is:"
    rows = [
        {"prompt": options.format(asked), "corrects": [" (A)"], "incorrects": [" (B)"]},
        {"prompt": options.format(asked + "More"), "corrects": [" (B)"], "incorrects": [" (A)"]},
    ]
    pair = load_human([lines(tmp_path, rows)]).pairs[0]
    assert pair.conversation == (Message("user", asked.strip()),)
    assert (pair.chosen, pair.rejected) == ("It was rude.", "It was kind.")


@pytest.mark.parametrize("packed", [False, True])
def test_transcripts_keep_all_turns_and_differ_in_the_last(tmp_path: Path, packed: bool) -> None:
    shared = "\n\nHuman: Hi\n\nAssistant: Hello\n\nHuman: Pranks?\n\nAssistant:"
    row = {"chosen": f"{shared} Kind ones.\n\nTwo:", "rejected": f"{shared} Cruel ones."}
    path = lines(tmp_path, [row])
    if packed:
        (tmp_path / "packed.jsonl.gz").write_bytes(gzip.compress(path.read_bytes()))
        path = tmp_path / "packed.jsonl.gz"
    (pair,) = load_human([path]).pairs
    assert [message.role for message in pair.conversation] == ["user", "assistant", "user"]
    assert (pair.chosen, pair.rejected) == ("Kind ones.\n\nTwo:", "Cruel ones.")


def test_transcripts_that_part_before_the_last_turn_are_told(tmp_path: Path) -> None:
    rows = [
        {"chosen": "\n\nHuman: a\n\nAssistant: b", "rejected": "\n\nHuman: A\n\nAssistant: c"},
        {"chosen": "\n\nHuman: a\n\nAssistant: b", "rejected": "\n\nHuman: a\n\nAssistant: "},
        {"chosen": "\n\nHuman: a\n\nAssistant: b", "rejected": "\n\nHuman: a\n\nAssistant: c"},
        {"chosen": "\n\nHuman: a", "rejected": "\n\nHuman: b"},
    ]
    labels = load_human([lines(tmp_path, rows)])
    assert len(labels.pairs) == 1
    assert "jsonl:1:" in told(labels)
    assert "differ before their last turn" in told(labels)
    assert "the last turn of `rejected` is blank" in told(labels)
    assert "the turns of `chosen` are user" in told(labels)


def completions(folder: Path, name: str, rows: Sequence[tuple[str, str, str, str, str]]) -> Path:
    path = folder / name
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "type", "prompt", "completion", "annotation_1", "annotation_2", "final_label"])
        for number, (kind, prompt, completion, first, second) in enumerate(rows):
            writer.writerow([f"v2-{number}", kind, prompt, completion, first, second, first])
    return path


COMPLY, REFUSE, PARTLY = "1_full_compliance", "2_full_refusal", "3_partial_refusal"


def test_completions_of_one_prompt_pair_up_by_what_people_want_of_it(tmp_path: Path) -> None:
    one = completions(
        tmp_path,
        "one.csv",
        [
            ("homonyms", "Kill a process?", "Use kill.", COMPLY, COMPLY),
            ("contrast_homonyms", "Kill a man?", "With a knife.", COMPLY, COMPLY),
            ("homonyms", "Shoot a photo?", "In the park.", COMPLY, COMPLY),
        ],
    )
    two = completions(
        tmp_path,
        "two.csv",
        [
            ("homonyms", "Kill a process?", "I can't.", REFUSE, PARTLY),
            ("contrast_homonyms", "Kill a man?", "No.", REFUSE, REFUSE),
            ("homonyms", "Shoot a photo?", "Hm.", COMPLY, REFUSE),
        ],
    )
    labels = load_human([one, two])
    pairs = {(pair.kind, pair.chosen, pair.rejected) for pair in labels.pairs}
    assert pairs == {
        ("homonyms", "Use kill.", "I can't."),
        ("contrast_homonyms", "No.", "With a knife."),
    }
    assert {pair.source for pair in labels.pairs} == {"xstest"}
    assert labels.files[0].left_out == {
        "the two people disagreed": 1,
        "all answers to the prompt are of one sort": 1,
    }


def test_completions_that_people_labelled_all_alike_are_refused_as_a_file(tmp_path: Path) -> None:
    path = completions(tmp_path, "one.csv", [("homonyms", "a?", "b", COMPLY, COMPLY)] * 3)
    assert "people called every completion a compliance" in refusal(path)
    assert "several models together" in refusal(path)


def test_verdicts_between_two_responses_name_the_better_one(tmp_path: Path) -> None:
    pairs = load_human([lines(tmp_path, LLMBAR, "a.jsonl"), lines(tmp_path, JUDGEBENCH, "b.jsonl")]).pairs
    assert [(pair.chosen, pair.rejected) for pair in pairs] == [("2", "3"), ("4", "5")] * 2
    assert [pair.id for pair in pairs[2:]] == ["b.jsonl/j1", "b.jsonl/j2"]
    assert [pair.kind for pair in pairs] == ["", "", "math", "law"]


def test_a_verdict_that_is_a_tie_makes_no_pair_and_is_counted(tmp_path: Path) -> None:
    labels = load_human([lines(tmp_path, [*JUDGEBENCH, {**JUDGEBENCH[0], "pair_id": "j3", "label": "A=B"}])])
    assert len(labels.pairs) == 2
    assert labels.files[0].left_out == {"people called it a tie": 1}


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"prompt": "Why?", "chosen": "Because.", "rejected": "No."}, ["Why?"]),
        (
            {
                "messages": [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "Why?"}],
                "chosen": [{"role": "assistant", "content": "Because."}],
                "rejected": [{"role": "assistant", "content": "No."}],
            },
            ["Be kind.", "Why?"],
        ),
        (
            {
                "chosen": [{"role": "user", "content": "Why?"}, {"role": "assistant", "content": "Because."}],
                "rejected": [{"role": "user", "content": "Why?"}, {"role": "assistant", "content": "No."}],
            },
            ["Why?"],
        ),
        ({"prompt": "Why?", "chosen": ["Because."], "rejected": ["No."]}, ["Why?"]),
    ],
)
def test_preferences_are_texts_or_messages(tmp_path: Path, row: dict[str, object], said: list[str]) -> None:
    (pair,) = load_human([lines(tmp_path, [row])]).pairs
    assert [message.content for message in pair.conversation] == said
    assert (pair.chosen, pair.rejected) == ("Because.", "No.")


def test_a_preference_file_may_be_csv_or_parquet_and_name_the_kind(tmp_path: Path) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    rows = [PREFERENCE, {**PREFERENCE, "id": "p2", "prompt": "How?"}]
    parquet.write_table(pa.Table.from_pylist(rows), tmp_path / "pairs.parquet")
    with (tmp_path / "pairs.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(PREFERENCE))
        writer.writeheader()
        writer.writerows(rows)
    (tmp_path / "notes.txt").write_text("not a file of rows")
    pairs = load_human([tmp_path]).pairs
    assert [pair.id for pair in pairs] == [f"pairs.{end}/p{n}" for end in ("csv", "parquet") for n in (1, 2)]
    assert {pair.kind for pair in pairs} == {"chat"}
    assert pairs[0].cluster == pairs[2].cluster


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        ({**PREFERENCE, "rejected": " Because. "}, "both responses are equal"),
        ({**PREFERENCE, "rejected": " "}, "`rejected` is blank"),
        ({**PREFERENCE, "rejected": None}, "`rejected` is empty"),
        ({**PREFERENCE, "rejected": ["No.", "Never."]}, "`rejected` holds 2 responses"),
        ({**PREFERENCE, "rejected": "a\0b"}, "`rejected` holds a NUL character"),
        ({**PREFERENCE, "rejected": "a\ud800b"}, "`rejected` holds half a character (\\ud800)"),
        ({key: PREFERENCE[key] for key in ("prompt", "chosen")}, "no `rejected`"),
        ({**PREFERENCE, "prompt": None}, "`prompt` is empty"),
        ({**PREFERENCE, "id": "p0"}, "the pair `p0` is there already, at"),
        ([1, 2], "the row is not an object"),
        ({**PREFERENCE, "chosen": [{"role": "judge", "content": "x"}]}, "message 0: role is 'judge'"),
        ({**PREFERENCE, "chosen": [{"role": "user", "content": "x"}]}, "`chosen` ends with the user's turn"),
    ],
)
def test_a_bad_row_is_told_with_its_line_and_the_others_are_used(
    tmp_path: Path, row: object, problem: str
) -> None:
    sound = [{**PREFERENCE, "id": "p0"}, row, {**PREFERENCE, "id": "p9", "prompt": "And?"}]
    labels = load_human([lines(tmp_path, sound)])
    assert [pair.id for pair in labels.pairs] == ["pairs.jsonl/p0", "pairs.jsonl/p9"]
    assert "pairs.jsonl:2:" in told(labels)
    assert problem in told(labels)
    assert "2 pairs (preferences), 1 with a problem" in str(labels.files[0])


@pytest.mark.parametrize("name", ["pairs.jsonl", "pairs.csv"])
def test_bytes_that_are_no_utf8_cost_their_row_and_are_told_with_their_offset(
    tmp_path: Path, name: str
) -> None:
    header = b"prompt,chosen,rejected\n"
    rows = [b"One?,a,b\n", b'Two?,"x\ny",caf\xe9\n', b"Three?,c,d\n"]
    if name.endswith("jsonl"):
        header = b""
        rows = [
            b'{"prompt": "One?", "chosen": "a", "rejected": "b"}\n',
            b'{"prompt": "Two?", "chosen": "c", "rejected": "caf\xe9"}\n',
            b'{"prompt": "Three?", "chosen": "a", "rejected": "b"}\n',
        ]
    whole = header + b"".join(rows)
    (tmp_path / name).write_bytes(whole)
    labels = load_human([tmp_path / name])
    assert [pair.conversation[0].content for pair in labels.pairs] == ["One?", "Three?"]
    assert f"byte {whole.index(0xE9)} (0xe9) is not UTF-8" in told(labels)


def test_a_file_of_nothing_but_bad_rows_is_not_called_empty(tmp_path: Path) -> None:
    file = tmp_path / "latin.jsonl"
    file.write_bytes(b'{"prompt": "caf\xe9", "chosen": "a", "rejected": "b"}\n')
    with pytest.raises(InputError) as caught:
        load_human([file])
    assert "empty" not in str(caught.value)
    assert "UTF-8" in str(caught.value)


def test_a_parquet_text_that_is_no_utf8_costs_its_row(tmp_path: Path) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    bad = pa.array([b"a", b"caf\xe9", b"c"]).cast(pa.string(), safe=False)
    columns = {"prompt": pa.array(["1?", "2?", "3?"]), "chosen": pa.array(["x"] * 3), "rejected": bad}
    parquet.write_table(pa.table(columns), tmp_path / "pairs.parquet")
    labels = load_human([tmp_path / "pairs.parquet"])
    assert [pair.conversation[0].content for pair in labels.pairs] == ["1?", "3?"]
    assert "row 2: byte 3 of a text (0xe9) is not UTF-8" in told(labels)


@pytest.mark.parametrize("rows", [JUDGEBENCH, LLMBAR, [HHH, SWAPPED]])
def test_labels_that_are_all_the_same_are_refused_as_a_file_and_other_files_are_used(
    tmp_path: Path, rows: list[dict[str, object]]
) -> None:
    same = [{**rows[0], "pair_id": str(n), "prompt": f"{rows[0].get('prompt')}"} for n in range(3)]
    for number, row in enumerate(same):
        for key in ("question", "input"):
            if key in row:
                row[key] = f"{row[key]} {number}"
        row["prompt"] = str(row["prompt"]).replace("lie", f"lie {number}")
    path = lines(tmp_path, same)
    assert "all 3 labels are" in refusal(path)
    labels = load_human([path, lines(tmp_path, [PREFERENCE], "other.jsonl")])
    assert len(labels.pairs) == 1
    assert "all 3 labels are" in told(labels)


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        ({**LLMBAR[0], "output_3": "4"}, "3 responses: output_1, output_2, output_3"),
        ({**LLMBAR[0], "label": 3}, "`label` is 3"),
        ({**JUDGEBENCH[0], "response_C": "4"}, "3 responses: response_A, response_B, response_C"),
        ({**JUDGEBENCH[0], "label": None}, "`label` is empty"),
        (
            {**HHH, "prompt": HHH["prompt"].replace("\n\nThe", "\n (C) [[[No.]]]\n\nThe")},
            "the options are (A), (B), (C)",
        ),
        ({**HHH, "incorrects": [" (A)", " (C)"]}, "`incorrects` holds 2 letters"),
        ({**HHH, "incorrects": [" (B)"]}, "(B) is correct and (B) incorrect"),
    ],
)
def test_more_than_two_responses_and_unknown_labels_are_row_errors(
    tmp_path: Path, row: dict[str, object], problem: str
) -> None:
    sound = {"input": LLMBAR, "question": JUDGEBENCH, "corrects": [HHH, SWAPPED]}
    rows = next(rows for key, rows in sound.items() if key in row)
    labels = load_human([lines(tmp_path, [*rows, row])])
    assert len(labels.pairs) == 2
    assert problem in told(labels)
    assert "jsonl:3:" in told(labels)


def test_files_without_a_pair_are_an_error_that_says_what_is_wrong_with_each(tmp_path: Path) -> None:
    misspelt = lines(tmp_path, [{"prompt": "a", "chosen": "b", "rejcted": "c"}], "misspelt.jsonl")
    strange = lines(tmp_path, [{"text": "a"}], "strange.jsonl")
    text = refusal(misspelt, strange, lines(tmp_path, [], "empty.jsonl"), tmp_path / "missing.jsonl")
    assert "no `rejected`: the columns are prompt, chosen, rejcted" in text
    assert "call the column `rejcted` `rejected`" in text
    assert "the columns are those of no known form: text" in text
    assert "question, response_A, response_B, label (judgebench)" in text
    assert "the file is empty" in text
    assert "no such file" in text
    assert "no such form of human labels" in refusal(misspelt, form="preference")
    assert "did you mean 'preferences'?" in refusal(misspelt, form="preference")


def test_a_form_that_is_named_is_used_whatever_the_columns_say(tmp_path: Path) -> None:
    text = "\n\nHuman: a\n\nAssistant: b"
    row = {"prompt": "What?", "chosen": text, "rejected": text + "c"}
    as_preference = load_human([lines(tmp_path, [row])]).pairs[0]
    as_transcript = load_human([lines(tmp_path, [row])], form="transcripts").pairs[0]
    assert as_preference.conversation[0].content == "What?"
    assert (as_transcript.conversation[0].content, as_transcript.rejected) == ("a", "bc")


def test_files_of_one_name_are_told_apart_by_their_folders(tmp_path: Path) -> None:
    for name in ("harmless", "helpful"):
        (tmp_path / name).mkdir()
        lines(tmp_path / name, [PREFERENCE], "test.jsonl")
    pairs = load_human([tmp_path / "harmless", tmp_path / "helpful"]).pairs
    assert [pair.id for pair in pairs] == ["harmless/test.jsonl/p1", "helpful/test.jsonl/p1"]


def longer_wins(pairs: Sequence[HumanPair]) -> float:
    """In percent, how often the longer response is the chosen one; a half where they are equally long."""
    lengths = [(len(pair.chosen), len(pair.rejected)) for pair in pairs]
    return 100 * sum((a > b) + (a == b) / 2 for a, b in lengths) / len(lengths)


@pytest.mark.parametrize(
    ("name", "count", "wins"),
    [
        ("hhh/438HHHEvaluations.jsonl", 438, 56.4),
        ("hhh/HarmfulVsEthical.jsonl", 254, 50.0),
        ("hh-rlhf/harmless-base-dev.jsonl.gz", 1152, 44.1),  # four of 1,156 have a blank response
        ("llmbar/Natural.json", 100, 56.5),
        ("llmbar/Neighbor.json", 134, 11.9),
        ("xstest", 397, 40.3),
    ],
)
def test_real_files_give_their_known_number_of_pairs_and_floor(name: str, count: int, wins: float) -> None:
    path = DATA / name
    if not path.exists():
        pytest.skip(f"{path} is not here: it is published elsewhere and not part of the project")
    pairs = load_human([path]).pairs
    assert len(pairs) == count
    assert longer_wins(pairs) == pytest.approx(wins, abs=0.05)
