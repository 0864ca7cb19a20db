"""The name by which a server says what it holds."""

from dataclasses import asdict

from hypothesis import given
from hypothesis import strategies as st

from engine.protocol import Fingerprint
from engine.served_name import is_speaking, speaking_name, stated_fingerprint

names = st.text(max_size=12)


@given(name=names, said=st.builds(Fingerprint, names, names, names, names, names))
def test_a_fingerprint_is_read_as_it_was_said(name: str, said: Fingerprint) -> None:
    spoken = speaking_name(name, said)
    assert is_speaking(spoken)
    assert spoken.isascii()
    assert stated_fingerprint(["other", spoken], name) == said
    assert stated_fingerprint([spoken], name + "x") is None


@given(st.text())
def test_no_other_name_says_anything(text: str) -> None:
    assert stated_fingerprint([text, f"solon:{text}", 'solon:{"served_as": "m"}'], "m") is None
    other = {**asdict(Fingerprint("m")), "served_as": "m", "quantization": "int4"}
    assert stated_fingerprint([f"solon:{other}".replace("'", '"')], "m") is None
