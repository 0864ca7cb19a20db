"""No text can leave its cell or its fence."""

import re

from hypothesis import given
from hypothesis import strategies as st

from evaluation.markdown import cell, fenced, table, visible

hostile = st.text(alphabet=st.sampled_from("`~#<>|&*_[]()!\\ \n\r\tab:/\u2028\u202e\x1b"), max_size=60)


def test_a_cell_holds_no_live_mark() -> None:
    assert cell("# <b>a</b>\n| `x` | [l](http://e.org)") == (
        "&#35; &#60;b&#62;a&#60;/b&#62; &#124; &#96;x&#96; &#124; &#91;l&#93;(http&#58;//e.org)"
    )


def test_an_underscore_inside_a_word_stays_readable() -> None:
    assert cell("hate_speech _loud_") == "hate_speech &#95;loud&#95;"


def test_hidden_characters_are_written_out() -> None:
    assert visible("a\x1b[31m\u202eb\ud800\r\nc") == "a\\u001b[31m\\u202eb\\ud800\nc"


def test_a_fence_is_longer_than_any_in_the_text() -> None:
    assert fenced("a\n````\nb") == "`````text\na\n````\nb\n`````"


@given(hostile)
def test_no_line_of_the_text_closes_its_fence(text: str) -> None:
    opening, *inside, closing = fenced(text).split("\n")
    assert opening == closing + "text"
    assert not any(re.fullmatch(rf" *{closing}`* *", line) for line in inside)


@given(hostile)
def test_a_cell_is_one_line_without_pipes_or_tags(text: str) -> None:
    assert not re.search(r"[\n\r|<>`*\[\]]", cell(text))


def test_a_table_aligns_numbers_right() -> None:
    assert table(["a", "b"], [["x", "1"]]) == "| a | b |\n| --- | ---: |\n| x | 1 |"
