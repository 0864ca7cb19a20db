"""Which inherited principles a selection keeps."""

import pytest

from constitution.file import Selection
from constitution.model import Principle

FRAUD = Principle(id="fraud", comparison_question="Q", tags=("crime", "deception"))


@pytest.mark.parametrize(
    ("selection", "kept"),
    [
        (Selection(), True),
        (Selection(tags=("crime",)), True),
        (Selection(tags=("dignity",)), False),
        (Selection(tags=("dignity",), ids=("fraud",)), True),
        (Selection(ids=("privacy",)), False),
        (Selection(exclude_tags=("deception",)), False),
        (Selection(tags=("crime",), exclude_ids=("fraud",)), False),
    ],
)
def test_a_principle_is_kept_when_wanted_and_not_excluded(selection: Selection, *, kept: bool) -> None:
    assert selection.keeps(FRAUD) is kept
