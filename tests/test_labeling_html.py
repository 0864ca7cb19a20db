"""Markdown as a page: nothing from outside, nothing that runs, pictures inside."""

import re

from labeling.html import page
from labeling.markdown import cell, fenced, table


def test_pictures_are_inside_and_nothing_comes_from_a_network() -> None:
    shown = page(
        "# A title\n\n![what it shows](picture.png)\n", title="A & B", pictures={"picture.png": b"png"}
    )
    assert '<img src="data:image/png;base64,cG5n" alt="what it shows"' in shown
    assert "<title>A &amp; B</title>" in shown
    assert not re.search(r'(?:src|href)="(?!data:)', shown)
    assert "default-src 'none'" in shown


def test_html_in_the_text_is_text() -> None:
    shown = page(
        f"{cell('<script>alert(1)</script>')}\n\n<b>bold</b>\n\n{fenced('</code><i>')}",
        title="t",
        pictures={},
    )
    assert "<script>" not in shown
    assert "<b>" not in shown
    assert "<i>" not in shown
    assert "&lt;script&gt;" in shown


def test_tables_are_tables() -> None:
    shown = page(table(["", "n"], [["a", "1"]]), title="t", pictures={})
    assert "<table>" in shown
    assert "<td>a</td>" in shown
