"""The shipped constitutions: whole, distinct, and of a length that fits into a small model's prompt."""

import subprocess
import sys

import pytest

from constitution.load import check, load, shipped


@pytest.mark.parametrize("name", shipped())
def test_a_shipped_constitution_serves_every_stage(name: str) -> None:
    constitution = load(name)
    assert constitution.name == name
    assert check(constitution) == []
    for principle in constitution.principles:
        assert principle.can_revise
        assert principle.can_compare
        assert principle.tags
        assert principle.source == "Solon"


@pytest.mark.parametrize("name", shipped())
def test_every_text_is_short_and_every_question_is_one(name: str) -> None:
    for principle in load(name).principles:
        for text in (principle.critique_request, principle.revision_request, principle.comparison_question):
            assert text is not None
            assert len(text) <= 420, principle.id
        assert (principle.comparison_question or "").endswith("?"), principle.id


def test_the_sizes_are_those_that_are_documented() -> None:
    assert len(load("harmless").principles) == 22
    assert len(load("helpful_harmless").principles) == 22 + 12
    assert len(load("starter").principles) == 4


def test_helpfulness_is_drawn_about_as_often_as_harmlessness() -> None:
    inherited = {principle.id for principle in load("harmless").principles}
    principles = load("helpful_harmless").principles
    harmless = sum(principle.weight for principle in principles if principle.id in inherited)
    total = sum(principle.weight for principle in principles)
    assert 0.45 < harmless / total < 0.55


def test_the_starters_examples_show_an_answer_that_stays_and_end_with_one_that_changes() -> None:
    examples = load("starter").get("no-harm").examples
    assert examples[0].revision is None
    assert examples[-1].revision is not None


def test_importing_the_package_loads_nothing_heavy() -> None:
    code = "import sys, constitution.load, constitution.importer; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert not {"torch", "transformers", "datasets", "pyarrow", "jinja2"} & set(loaded.split())
