"""Requests from rows: ids, conversations and categories, and every way in which a row can be wrong."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from critique.model import Request
from prompts.message import Message
from solon.inputs import InputError, check_apart, check_disjoint, read_requests
from solon.recipe import Source


def requests(folder: Path, *rows: object, limit: int | None = None) -> list[Request]:
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return read_requests(Source(path="rows.jsonl", limit=limit), "red_team", base=folder)


def refusal(folder: Path, *rows: object) -> str:
    with pytest.raises(InputError) as caught:
        requests(folder, *rows)
    return str(caught.value).replace(f"{folder}/", "")


def said(text: str, request_id: str = "x") -> Request:
    return Request(request_id, "red_team", (Message("user", text),))


def turns(*contents: str) -> list[dict[str, str]]:
    return [{"role": ("user", "assistant")[n % 2], "content": text} for n, text in enumerate(contents)]


def test_a_prompt_becomes_one_user_turn(tmp_path: Path) -> None:
    [request] = requests(tmp_path, {"id": "a", "prompt": " Why? ", "category": "hate", "from": 3})
    assert request.conversation == (Message("user", " Why? "),)
    assert (request.id, request.kind, request.category) == ("a", "red_team", "hate")
    assert json.loads(request.columns) == {"from": 3}


def test_messages_stay_whole(tmp_path: Path) -> None:
    [request] = requests(tmp_path, {"messages": turns("Hello", "Hi!", "Why?")})
    assert [message.role for message in request.conversation] == ["user", "assistant", "user"]


def test_a_prompt_may_be_messages_and_goes_before_the_other_column(tmp_path: Path) -> None:
    [request] = requests(tmp_path, {"prompt": turns("One?"), "messages": turns("One?", "Answer")})
    assert request.conversation == (Message("user", "One?"),)


def test_an_id_is_made_from_the_content_and_stays_the_same_in_another_order(tmp_path: Path) -> None:
    one, two = ({"prompt": "One?"}, {"prompt": "Two?"})
    forward, backward = requests(tmp_path, one, two), requests(tmp_path, two, one)
    assert [request.id for request in forward] == [request.id for request in backward][::-1]
    assert forward[0].id.startswith("red-team-")


def test_a_prompt_said_twice_gets_two_ids(tmp_path: Path) -> None:
    first, second = requests(tmp_path, {"prompt": "One?"}, {"prompt": "One?"})
    assert second.id == f"{first.id}-2"


def test_whole_numbers_are_ids_and_categories_too(tmp_path: Path) -> None:
    [request] = requests(tmp_path, {"id": 7, "prompt": "One?", "category": 3})
    assert (request.id, request.category) == ("7", "3")


def test_the_limit_takes_the_first(tmp_path: Path) -> None:
    assert [r.id for r in requests(tmp_path, *({"id": i, "prompt": "?"} for i in range(5)), limit=2)] == [
        "0",
        "1",
    ]


def test_an_empty_file_is_refused(tmp_path: Path) -> None:
    assert refusal(tmp_path).startswith("rows.jsonl: no prompts: the file is empty")


def test_a_missing_column_lists_those_that_are_there(tmp_path: Path) -> None:
    text = refusal(tmp_path, {"id": 1, "promt": "Why?"})
    assert "no prompt: the columns are id, promt" in text
    assert "next: call the column `promt` `prompt`" in text
    assert "the columns are id\n" in refusal(tmp_path, {"id": 1})


@pytest.mark.parametrize(
    ("row", "what"),
    [
        ({"prompt": " \n"}, "`prompt` is blank"),
        ({"prompt": None}, "`prompt` is empty"),
        ({"prompt": 3}, "`prompt` is int"),
        ({"prompt": "a\0b"}, "`prompt` holds a NUL character"),
        ({"prompt": "a\ud800"}, "`prompt` holds half a character"),
        ({"messages": "Why?"}, "`messages` is text"),
        ({"messages": []}, "`messages` is an empty list"),
        ({"messages": ["Why?"]}, "`messages` is a list of other things"),
        ({"messages": turns("Why?", "So.")}, "`messages` ends with an assistant's turn"),
        ({"messages": [{"role": "human", "content": "Why?"}]}, "message 0: role is 'human'"),
        ({"messages": turns("Why?", "So.", "  ")}, "`messages` is blank"),
        ({"prompt": "Why?", "id": ""}, "`id` is blank"),
        ({"prompt": "Why?", "id": "a\nb"}, "`id` holds control characters"),
        ({"prompt": "Why?", "id": "\u202eab"}, "`id` holds control characters"),
        ({"prompt": "Why?", "id": "x" * 201}, "`id` has 201 characters"),
        ({"prompt": "Why?", "id": 1.5}, "`id` is float"),
        ({"prompt": "Why?", "category": ["a"]}, "`category` is list"),
    ],
)
def test_a_bad_row_is_refused_at_its_line(tmp_path: Path, row: dict[str, object], what: str) -> None:
    text = refusal(tmp_path, {"prompt": "Good."}, row)
    assert text.startswith("rows.jsonl:2:")
    assert what in text


def test_the_caret_stands_under_the_key(tmp_path: Path) -> None:
    lines = refusal(tmp_path, {"id": "a", "prompt": ""}).split("\n")
    assert lines[1] == '  1 | {"id": "a", "prompt": ""}'
    assert lines[2] == "    |             ^^^^^^^^"


def test_the_same_id_twice_is_refused_with_both_lines(tmp_path: Path) -> None:
    text = refusal(tmp_path, {"id": "a", "prompt": "One?"}, {"id": "a", "prompt": "Two?"})
    assert text.startswith("rows.jsonl:2:2: the id `a` is there already, at rows.jsonl:1")


def test_several_bad_rows_are_told_at_once_and_ten_at_the_most(tmp_path: Path) -> None:
    assert "2 problems" in refusal(tmp_path, {"prompt": ""}, {"prompt": "Good."}, {"id": 1})
    assert "10 problems" in refusal(tmp_path, *({"prompt": ""} for _ in range(50)))


def test_a_held_out_prompt_in_other_spelling_is_found_in_training() -> None:
    with pytest.raises(InputError, match="`held` is `seen` of the training data"):
        check_disjoint([said("How do I — pick a  lock?", "seen")], [said("how do i PICK a “lock”", "held")])


def test_a_held_out_prompt_that_is_a_turn_of_training_is_found() -> None:
    train = Request(
        "seen", "helpful", (Message("user", "Why?"), Message("assistant", "So."), Message("user", "How?"))
    )
    with pytest.raises(InputError):
        check_disjoint([train], [said("how")])


def test_other_words_are_another_prompt() -> None:
    check_disjoint(
        [said("Is he right?"), said("???"), said("हिन्दी")], [said("Is she right?"), said("!!!"), said("हिन्दू")]
    )


def test_a_leak_is_one_problem_however_many_rows_it_has() -> None:
    with pytest.raises(InputError, match=r"20 held-out prompts are trained on too: .*…") as caught:
        check_disjoint([said("a")], [said("A", str(n)) for n in range(20)])
    assert len(caught.value.problems) == 1


@given(st.text())
def test_a_prompt_is_never_apart_from_itself(text: str) -> None:
    with pytest.raises(InputError):
        check_disjoint([said(text)], [said(text)])


def test_two_sources_may_not_share_an_id() -> None:
    with pytest.raises(
        InputError, match=r"data\.red_team and data\.helpful: both have a row with the id `a`"
    ):
        check_apart([said("One?", "a")], [said("Two?", "a")], names=("data.red_team", "data.helpful"))
    check_apart([said("One?", "a")], [said("Two?", "b")], names=("data.red_team", "data.helpful"))
