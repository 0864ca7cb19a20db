"""The shipped constitutions: whole, distinct, and of a length that fits into a small model's prompt."""

import re
import subprocess
import sys

import pytest

from constitution.load import check, load, shipped
from prompts.render import TRIAL, VARIABLES, Family, Prompts


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
    examples = [each for each in load("starter").get("no-harm").examples if each.critique is not None]
    assert examples[0].revision is None
    assert examples[-1].revision is not None


@pytest.mark.parametrize("name", shipped())
def test_every_principle_has_three_comparisons_or_more_and_none_appears_twice(name: str) -> None:
    constitution = load(name)
    assert min(len(principle.comparisons) for principle in constitution.principles) >= 3
    every = [each for principle in constitution.principles for each in principle.comparisons]
    for texts in (
        [each.turns[-1].content for each in every],
        [text for each in every for text in (each.chosen, each.rejected)],
    ):
        assert len({text.casefold() for text in texts}) == len(texts)


@pytest.mark.parametrize("name", shipped())
def test_length_does_not_give_the_better_response_away(name: str) -> None:
    every = [each for principle in load(name).principles for each in principle.comparisons]
    for measure in (len, lambda text: len(text.split())):
        longer = sum(measure(each.chosen) > measure(each.rejected) for each in every)
        assert 0.35 <= longer / len(every) <= 0.65
    for principle in load(name).principles:
        longer = sum(len(each.chosen) > len(each.rejected) for each in principle.comparisons)
        assert 0 < longer < len(principle.comparisons), principle.id


@pytest.mark.parametrize("name", shipped())
def test_worked_comparisons_are_short_and_give_a_reason_that_holds_in_either_order(name: str) -> None:
    for principle in load(name).principles:
        for each in principle.comparisons:
            assert max(len(each.chosen), len(each.rejected)) <= 320, each
            assert each.reason is not None
            # Few-shot shows the better response second in half of the cases.
            assert not re.search(r"\b([Ff]irst|[Ss]econd|[Ff]ormer|[Ll]atter)\b", each.reason), each.reason


def test_the_starter_shows_both_kinds_of_finding() -> None:
    faults = [example.fault for principle in load("starter").principles for example in principle.examples]
    assert faults.count(None) >= 3
    assert len(faults) - faults.count(None) >= 4


@pytest.mark.parametrize("family", ["chat", "transcript"])
def test_nothing_of_a_comparison_is_in_any_prompt_but_the_few_shot_one(family: Family) -> None:
    own = load("starter").get("no-harm")
    bare = own.model_copy(update={"comparisons": ()})
    prompts = Prompts(family)
    for name in set(VARIABLES) - {"compare_few_shot"}:
        values = {variable: TRIAL[variable] for variable in VARIABLES[name]}
        texts = [
            prompts.render(name, **values | ({"principle": each} if "principle" in values else {}))
            for each in (own, bare)
        ]
        assert texts[0] == texts[1], name


def test_importing_the_package_loads_nothing_heavy() -> None:
    code = "import sys, constitution.load, constitution.importer; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert not {"torch", "transformers", "datasets", "pyarrow", "jinja2"} & set(loaded.split())
