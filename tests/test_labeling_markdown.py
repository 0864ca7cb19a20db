"""No text can leave its cell or its fence: shown by rendering the Markdown."""

import html

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from labeling.markdown import cell, facts_table, fenced, table, visible

MARKDOWN = MarkdownIt("commonmark").enable("table")
PARTS = [
    *"`~#<>|&*_[]()!\\ \n\r\tab1.-+=:/\u2028\u202e\x1b\ud800",
    "<b>",
    "](http://e.org)",
    "www.e.org",
    "```",
]
hostile = st.lists(st.sampled_from(PARTS), max_size=30).map("".join)


def structure(text: str) -> list[str]:
    """Every token of the rendered document, inline ones included, without what it says."""
    return [token.type for block in MARKDOWN.parse(text) for token in [block, *(block.children or [])]]


def said(text: str) -> str:
    """The text that a reader sees of a rendered paragraph."""
    return html.unescape(MARKDOWN.render(text).strip().removeprefix("<p>").removesuffix("</p>"))


PLAIN_PARAGRAPH = ["paragraph_open", "inline", "text", "paragraph_close"]


@pytest.mark.parametrize(
    "text",
    [
        "# a heading",
        "a\n===",
        "---",
        "- - -",
        "- an item",
        "1. an item",
        "2) an item",
        "> a quote",
        "| a | b |\n| --- | --- |",
        "[a](http://e.org)",
        "[a]: http://e.org",
        "<http://e.org>",
        "![a](b.png)",
        "<script>alert(1)</script>",
        "<!-- hidden",
        "&lt;b&gt;",
        "*a* **b** _c_ __d__ ~~e~~",
        "`code`",
        "```\ncode",
        "a\\\nb",
        "_a_b_",
        "(_a_)",
    ],
)
def test_a_mark_in_a_cell_is_only_text(text: str) -> None:
    assert structure(cell(text)) == PLAIN_PARAGRAPH
    assert said(cell(text)) == " ".join(text.split())


@given(hostile.filter(lambda text: bool(text.split())))
@example("=" * 3)
@example("__a__")
def test_whatever_stands_in_a_cell_it_is_one_line_of_text(text: str) -> None:
    assert structure(cell(text)) == PLAIN_PARAGRAPH
    assert said(cell(text)) == " ".join(visible(text).split())


@given(hostile, hostile)
def test_whatever_stands_in_a_table_it_keeps_its_rows_and_columns(name: str, value: str) -> None:
    facts = facts_table({f"n{name}": f"v{value}", "other": "x"})
    assert [kind for kind in structure(facts) if kind != "inline"] == [
        kind for kind in structure(facts_table({"n": "v", "other": "x"})) if kind != "inline"
    ]


@given(hostile)
def test_no_line_of_a_text_closes_its_fence(text: str) -> None:
    [block] = MARKDOWN.parse(fenced(text))
    assert (block.type, block.info) == ("fence", "text")
    assert block.content == f"{visible(text)}\n"


def test_addresses_are_no_links_where_a_renderer_makes_links_of_bare_ones() -> None:
    assert cell("see https://x.y or WWW.x.y") == "see https&#58;//x.y or WWW&#46;x.y"


def test_names_numbers_and_sentences_stay_readable_in_the_source() -> None:
    for text in (
        "hate_speech",
        "train_loss",
        "-0.5",
        "1.5 of 2",
        "+3 points",
        "a - b",
        "owner/name",
        "Жук 🐕",
    ):
        assert cell(text) == text


def test_hidden_characters_are_written_out() -> None:
    assert visible("a\x1b[31m\u202eb\ud800\r\nc") == "a\\u001b[31m\\u202eb\\ud800\nc"
    assert visible("a\U000e0041b") == "a\\U000e0041b"
    assert fenced("a\x1b[2J\u202eb") == "```text\na\\u001b[2J\\u202eb\n```"


def test_the_joiner_that_holds_an_emoji_together_stays() -> None:
    assert visible("👩\u200d🚒") == "👩\u200d🚒"


def test_a_table_aligns_numbers_right() -> None:
    assert table(["a", "b"], [["x", "1"]]) == "| a | b |\n| --- | ---: |\n| x | 1 |"


def test_a_table_of_facts_names_and_values() -> None:
    assert facts_table({"judge": "a|b"}) == "|  |  |\n| --- | --- |\n| judge | a&#124;b |"
