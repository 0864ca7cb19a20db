"""The strict subset of YAML: what it reads, with places, and what it refuses."""

from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from constitution.problem import DocumentError
from constitution.strict_yaml import MAX_BYTES, parse_document, read_document


def refusal(text: str) -> str:
    with pytest.raises(DocumentError) as caught:
        parse_document(text, "f.yaml")
    return str(caught.value)


def file_refusal(path: Path) -> str:
    with pytest.raises(DocumentError) as caught:
        read_document(path)
    return str(caught.value).replace(str(path.parent), "DIR")


def test_values_and_keys_have_places_that_count_from_one() -> None:
    document = parse_document("# a comment\nlist:\n  - one\n  - {key: two}\n", "f.yaml")
    assert document.data == {"list": ["one", {"key": "two"}]}
    assert document.position(("list", 0)) == (3, 5)
    assert document.position(("list", 1, "key")) == (4, 11)
    assert (document.keys["list", 1, "key"].line, document.keys["list", 1, "key"].column) == (4, 6)


def test_the_position_of_what_is_not_written_is_that_of_what_should_hold_it() -> None:
    document = parse_document("a:\n  b: 1\n", "f.yaml")
    assert document.position(("a", "c", 0)) == (2, 3)


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("2e-4", 0.0002),
        ("1E3", 1000.0),
        (".5", 0.5),
        ("-7", -7),
        ("010", 10),
        (".inf", float("inf")),
        ("-.INF", float("-inf")),
        ("1_000", "1_000"),
        ("12:30:45", "12:30:45"),
        ("0x10", "0x10"),
        ("2024-01-31", "2024-01-31"),
        ("true", True),
        ("off", False),
        ("~", None),
        ("", None),
        ("y", "y"),
        ('"no"', "no"),
        ("!!str 1.0", "1.0"),
        ("<<", "<<"),
    ],
)
def test_scalars_are_read_as_yaml_1_2_says_with_yes_and_no_as_booleans(written: str, value: object) -> None:
    read = parse_document(f"key: {written}\n", "f.yaml").data["key"]
    assert read == value
    assert type(read) is type(value)


def test_a_byte_order_mark_and_windows_line_ends_are_accepted() -> None:
    document = parse_document("\ufeffa: 1\r\nb: 2\r\n", "f.yaml")
    assert document.data == {"a": 1, "b": 2}
    assert document.position(("b",)) == (2, 4)


def test_a_key_that_is_written_twice_is_refused() -> None:
    assert refusal("id: x\nname: y\nid: z\n") == (
        "f.yaml:3:1: key `id` is written twice, first on line 1\n"
        "  3 | id: z\n"
        "    | ^^\n"
        "  next: remove one of the two"
    )


@pytest.mark.parametrize("text", ["a: &x [1]\nb: 2\n", "a: *x\n"])
def test_anchors_and_aliases_are_refused(text: str) -> None:
    assert refusal(text) == (
        "f.yaml:1:4: aliases are not allowed\n"
        f"  1 | {text.splitlines()[0]}\n"
        "    |    ^\n"
        "  expected: the text written out; a text that starts with * or & in quotes"
    )


def test_an_alias_bomb_is_refused_at_its_first_anchor() -> None:
    bomb = "a: &a [x, x]\n" + "".join(
        f"{b}: &{b} [*{a}, *{a}]\n" for a, b in zip("abcdefgh", "bcdefghi", strict=True)
    )
    assert refusal(bomb).startswith("f.yaml:1:4: aliases are not allowed")


@pytest.mark.parametrize(
    ("value", "tag"),
    [
        ("!!python/object/apply:os.system [ls]", "!!python/object/apply:os.system"),
        ("!!binary aGk=", "!!binary"),
        ("!mine {a: 1}", "!mine"),
        ("!!set {a: null}", "!!set"),
        ("!!str {a: 1}", "!!str"),
    ],
)
def test_tags_that_would_build_something_are_refused(value: str, tag: str) -> None:
    message = refusal(f"a: {value}\n")
    assert message.startswith(f"f.yaml:1:4: tag `{tag}` is not allowed\n")
    assert message.endswith("  expected: plain YAML\n  next: remove the tag")


def test_a_core_tag_that_does_not_fit_its_value_is_refused() -> None:
    assert "f.yaml:1:4: `many` cannot be read as int" in refusal("a: !!int many\n")
    assert "f.yaml:1:4: `x` cannot be read as null" in refusal("a: !!null x\n")
    assert "f.yaml:1:4: `x` cannot be read as bool" in refusal("a: !!bool x\n")


def test_a_number_too_long_to_read_is_refused() -> None:
    assert "cannot be read as int" in refusal(f"a: {'9' * 5000}\n")


def test_keys_that_are_not_text_are_refused() -> None:
    assert refusal("1: x\n") == (
        'f.yaml:1:1: a key is not text\n  1 | 1: x\n    | ^\n  expected: text\n  next: write "1" in quotes'
    )
    assert "a key is not text" in refusal("on: x\n")
    assert "a key is not text" in refusal("? [a]\n: b\n")


def test_several_documents_are_refused() -> None:
    message = refusal("a: 1\n---\nb: 2\n")
    assert message.startswith("f.yaml:2:1: but found another document")
    assert "one document in a file; remove the `---` line" in message


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "f.yaml: the file is empty\n  expected: `key: value` lines"),
        ("# only a comment\n", "f.yaml: the file is empty\n  expected: `key: value` lines"),
        ("- a\n", "f.yaml:1:1: the file holds a list\n  1 | - a\n    | ^\n  expected: `key: value` lines"),
        (
            "a\n",
            "f.yaml:1:1: the file holds a single value\n  1 | a\n    | ^\n  expected: `key: value` lines",
        ),
    ],
)
def test_a_file_without_a_mapping_is_refused(text: str, message: str) -> None:
    assert refusal(text) == message


def test_half_a_character_is_refused() -> None:
    assert "half a character" in refusal('a: "\\ud83d"\n')


def test_bytes_that_are_not_utf8_are_refused_with_their_offset(tmp_path: Path) -> None:
    path = tmp_path / "latin.yaml"
    path.write_bytes("a: 1\nb: caf\xe9\n".encode("latin-1"))
    assert file_refusal(path) == (
        "DIR/latin.yaml:2:7: byte 11 (0xe9) is not UTF-8\n"
        "  expected: text in UTF-8\n"
        "  next: save the file as UTF-8"
    )


def test_a_file_over_four_mebibytes_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "big.yaml"
    path.write_bytes(b"a: " + b"x" * MAX_BYTES)
    assert file_refusal(path) == (
        "DIR/big.yaml: the file is larger than 4 MiB\n  expected: a hand-written file"
    )


def test_a_missing_file_is_refused_with_the_nearest_name_beside_it(tmp_path: Path) -> None:
    (tmp_path / "recipe.yaml").write_text("a: 1\n")
    assert file_refusal(tmp_path / "recipes.yaml") == (
        "DIR/recipes.yaml: no such file\n  did you mean 'recipe.yaml'?"
    )
    assert file_refusal(tmp_path / "nowhere" / "x.yaml").startswith("DIR/x.yaml: no such file\n  next: check")


def test_a_folder_is_refused(tmp_path: Path) -> None:
    assert "cannot be read: " in file_refusal(tmp_path)


json_like = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


@settings(deadline=None, derandomize=True, max_examples=50)
@given(st.dictionaries(st.text(min_size=1), json_like, min_size=1))
def test_every_value_that_has_a_place_is_where_the_place_says(data: dict[str, object]) -> None:
    text = yaml.safe_dump(data, default_style='"', allow_unicode=False)
    document = parse_document(text, "f.yaml")
    for where, place in document.keys.items():
        assert document.lines[place.line - 1][place.column - 1] in '"?', where


@settings(deadline=None, derandomize=True, max_examples=50)
@given(st.text())
def test_any_text_is_read_or_refused_and_never_crashes(text: str) -> None:
    try:
        parse_document(text, "f.yaml")
    except DocumentError as error:
        assert str(error)  # noqa: PT017  either outcome is right, and the message must be printable
