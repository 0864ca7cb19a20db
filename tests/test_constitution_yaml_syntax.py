"""Text that is not YAML, or more than the strict subset allows, is refused with place and advice."""

import pytest

from constitution.problem import DocumentError
from constitution.strict_yaml import parse_document


def refusal(text: str) -> str:
    with pytest.raises(DocumentError) as caught:
        parse_document(text, "f.yaml")
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "place", "hint"),
    [
        ("a: b: c\n", "1:5", "a text that holds `: ` in quotes"),
        ("\ta: 1\n", "1:1", "spaces; YAML allows no tabs"),
        ("a: 'x\n", "2:1", "a closing quote"),
        ("a: [1, 2\n", "2:1", "a closing bracket"),
        ("a: @x\n", "1:4", "a text that starts with this character in quotes"),
        ("a: *important* words\n", "1:14", "a text that starts with * or & in quotes"),
        ('a: "\\q"\n', "1:6", "for a backslash in double quotes"),
        ("a:\n  b: 1\n c: 2\n", "3:2", "the same indentation as the lines before it"),
        ("a\nb: 1\n", "2:2", "the keys of a mapping in one column"),
        ("a: 1\nb\n", "3:1", "`key: value`; a longer text goes indented"),
    ],
)
def test_malformed_yaml_is_refused_with_place_and_advice(text: str, place: str, hint: str) -> None:
    message = refusal(text)
    assert message.startswith(f"f.yaml:{place}: ")
    assert hint in message


def test_deep_nesting_is_refused_before_it_exhausts_the_stack() -> None:
    assert refusal("a: " + "[" * 5_000).startswith("f.yaml:1:67: nested too deep\n")


def test_nul_and_control_characters_are_refused() -> None:
    assert refusal("a: 1\nb: \x00\n") == (
        "f.yaml:2:4: character 8 (0x00) is not allowed\n  expected: printable text"
    )
