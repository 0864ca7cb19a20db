"""What an error looks like to the person who reads it."""

import pickle

from constitution.problem import DocumentError, Problem, nearest


def test_a_problem_shows_place_line_caret_expectation_suggestion_and_next_step() -> None:
    problem = Problem(
        "recipe.yaml",
        "unknown key `epoch`",
        line=12,
        column=3,
        excerpt="  epoch: 2",
        width=5,
        expected="one of epochs, rate",
        suggestion="epochs",
        next_step="rename it",
    )
    assert str(problem) == (
        "recipe.yaml:12:3: unknown key `epoch`\n"
        "  12 |   epoch: 2\n"
        "     |   ^^^^^\n"
        "  expected: one of epochs, rate\n"
        "  did you mean 'epochs'?\n"
        "  next: rename it"
    )


def test_a_problem_of_a_whole_file_has_no_picture() -> None:
    assert str(Problem("a.yaml", "the file is empty")) == "a.yaml: the file is empty"


def test_an_error_lists_all_problems_and_carries_the_place_of_the_first() -> None:
    error = DocumentError(Problem("a.yaml", "one", 2, 3), Problem("a.yaml", "two", 4, 1))
    assert (error.source, error.line, error.column) == ("a.yaml", 2, 3)
    assert str(error) == "a.yaml:2:3: one\n\na.yaml:4:1: two\n\n2 problems in a.yaml"


def test_an_error_survives_being_sent_between_processes() -> None:
    error = DocumentError(Problem("a.yaml", "one", 2, 3, excerpt="key: x"))
    assert str(pickle.loads(pickle.dumps(error))) == str(error)


def test_the_caret_stands_right_below_wide_characters_and_tabs() -> None:
    lines = str(Problem("a.yaml", "x", 1, 6, excerpt="名:\tab c", width=1)).split("\n")
    assert lines[1:] == ["  1 | 名: ab c", "    |       ^"]


def test_a_long_line_is_cut_around_the_caret() -> None:
    excerpt = "key: " + "a" * 200 + " !bad " + "b" * 200
    shown, caret = str(Problem("a.yaml", "x", 1, 207, excerpt=excerpt, width=4)).split("\n")[1:]
    assert len(shown) < 115
    assert shown[caret.index("^") : caret.rindex("^") + 1] == "!bad"


def test_a_line_of_a_hundred_thousand_characters_is_shown_as_any_other() -> None:
    shown = str(Problem("a.yaml", "x", 1, 4, excerpt="a: " + "x" * 100_000, width=100_000))
    assert len(shown) < 300


def test_the_value_of_a_key_named_like_a_secret_is_not_shown() -> None:
    assert "sk-123" not in str(Problem("a.yaml", "unknown key", 1, 3, excerpt="  api_key: sk-123"))
    assert "sk-123" not in str(Problem("a.yaml", "unknown key", 1, 1, excerpt='{"hf_token": "sk-123"}'))
    assert "256" in str(Problem("a.yaml", "x", 1, 1, excerpt="max_tokens: 256"))


def test_the_nearest_name_overlooks_case_and_hyphens() -> None:
    names = ["critique_request", "revision_request"]
    assert nearest("Critique-Reqest", names) == "critique_request"
    assert nearest("colour", names) == ""
