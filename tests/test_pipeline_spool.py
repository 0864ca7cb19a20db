"""Texts in a file: what went in comes out, by number and in order."""

from hypothesis import given
from hypothesis import strategies as st

from pipeline.spool import Spool


@given(st.lists(st.text()))
def test_texts_come_back_as_they_went_in(texts: list[str]) -> None:
    spool = Spool()
    for number, text in enumerate(texts):
        spool.append(text)
        assert spool[number // 2] == texts[number // 2], "reading in between disturbs nothing"
    assert len(spool) == len(texts)
    assert list(spool) == list(spool) == texts
