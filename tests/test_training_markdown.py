from hypothesis import given
from hypothesis import strategies as st

from training.markdown import cell, fenced, table


def test_marks_and_tags_in_a_cell_are_plain_text() -> None:
    assert cell("a | b\n<b>") == "a &#124; b &#60;b&#62;"
    assert cell("see https://x.y") == "see https&#58;//x.y"


def test_a_table_has_one_line_for_each_row() -> None:
    assert table({"judge": "a|b"}) == "| | |\n| --- | --- |\n| judge | a&#124;b |"


@given(st.text())
def test_no_text_closes_its_own_fence(text: str) -> None:
    first, *lines, last = fenced(text).split("\n")
    fence = first.removesuffix("text")
    assert last == fence
    assert all(fence not in line for line in lines)


def test_hidden_characters_are_shown() -> None:
    assert fenced("a\x1b[2J\u202eb") == "```text\na\\u001b[2J\\u202eb\n```"
