"""Where an answer stands in a text: marks, the last of several, and texts without one."""

import hypothesis.strategies as st
import pytest
from hypothesis import given

from training.verifiers.place import answer_in
from training.verifiers.settings import Place


@pytest.mark.parametrize(
    ("place", "text", "answer"),
    [
        ("text", "  all of it \n", "all of it"),
        ("tag", "So <answer> 42 </answer> it is.", "42"),
        ("tag", "<answer>1</answer> no, <answer>2</answer>", "2"),
        ("tag", "<answer>1</answer> or <answer>2", "1"),
        ("tag", "<answer><answer>3</answer>", "3"),
        ("tag", "42", None),
        ("tag", "<answer> </answer>", None),
        ("tag", "</answer><answer>", None),
        ("boxed", r"so \boxed{\frac{1}{2}} and done", r"\frac{1}{2}"),
        ("boxed", r"\boxed{1} then \boxed {x_{1}}", "x_{1}"),
        ("boxed", r"\boxed{7} then \boxed{8", "7"),
        ("boxed", r"\boxed{", None),
        ("hashes", "He has 3 + 4 = 7.\n#### 7", "7"),
        ("hashes", "#### 1\n#### 2 ", "2"),
        ("hashes", "a #### 2", None),
        ("hashes", "####\n", None),
        ("marked", "#### 1\n\\boxed{2}\n<answer>3</answer>", "3"),
        ("marked", "#### 1\n\\boxed{2}", "2"),
        ("marked", "the answer is 3", None),
        ("code", "Try this:\n```python\nx = 1\n```\nor\n```\nx = 2\n```\n", "x = 2"),
        ("code", "x = 3", "x = 3"),
        ("code", "", None),
    ],
)
def test_an_answer_is_found_where_it_should_be(place: Place, text: str, answer: str | None) -> None:
    assert answer_in(text, place) == answer


def test_a_tag_may_have_another_name() -> None:
    assert answer_in("<result>5</result>", "tag", tag="result") == "5"
    assert answer_in("<result>5</result>", "tag") is None


@given(st.text(alphabet="<>/answer{}\\boxd#`\n 1", max_size=60), st.sampled_from(["tag", "boxed", "marked"]))
def test_no_text_is_too_odd(text: str, place: Place) -> None:
    found = answer_in(text, place)
    assert found is None or (found and found in text)
