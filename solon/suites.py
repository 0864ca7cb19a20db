"""A recipe's suites: the held-out prompts that its models are measured on, read and checked.

In: a `LoadedRecipe`. Out: questions; what training must not have seen; every problem of every suite.
"""

from collections.abc import Iterator
from itertools import islice

from critique.model import Request
from evaluation.answer import Question
from evaluation.model import SuiteKind
from evaluation.settings import SuiteSettings
from evaluation.suites import questions as suite_questions
from evaluation.verify import reference_problems
from pipeline.rows import InputError
from solon.inputs import read_requests
from solon.loaded_recipe import SUITES, LoadedRecipe, suite_source
from solon.recipe import Source
from solon.rows import read_rows


def questions(loaded: LoadedRecipe) -> list[Question]:
    """The held-out prompts of all suites, in the recipe's order; none where it has no evaluation.

    Raises:
        InputError: with up to ten problems of the first suite that has some; an empty one is such a suite.
    """
    settings = loaded.recipe.evaluation
    names = settings.named if settings else ()
    return [question for name in names for question in suite(loaded, name)]


def suite(loaded: LoadedRecipe, name: str) -> list[Question]:
    """One suite's prompts; raises as `questions` does."""
    settings = loaded.recipe.evaluation
    if settings is None:
        return []
    short = {"harmful": settings.harmful, "harmless": settings.harmless}.get(name)
    if short is not None:
        kind: SuiteKind = "harmful" if name == "harmful" else "harmless"
        return list(_short(loaded, short, kind))
    return _read(loaded, settings.suites[name], name)


def _read(loaded: LoadedRecipe, chosen: SuiteSettings, name: str) -> list[Question]:
    rows = read_rows(suite_source(chosen), base=loaded.folder)
    return suite_questions(rows, chosen, suite=name)


def held_out(loaded: LoadedRecipe) -> list[Request]:
    """Every question as what training must not have seen, also without the words that its suite appends."""
    settings = loaded.recipe.evaluation
    named = settings.named if settings else {}
    plain = [
        question
        for name, each in named.items()
        if each.append is not None
        for question in _read(loaded, each.model_copy(update={"append": None}), name)
    ]
    return [
        Request(question.id, "helpful", question.conversation, question.category)
        for question in (*questions(loaded), *plain)
    ]


def shown(loaded: LoadedRecipe, *, each: int) -> list[Question]:
    """The first few questions of every kind."""
    found = questions(loaded)
    kinds = dict.fromkeys(question.kind for question in found)
    return [
        question for kind in kinds for question in islice((one for one in found if one.kind == kind), each)
    ]


def suite_problems(loaded: LoadedRecipe) -> Iterator[str]:
    """What is wrong with each suite, by its place in the recipe."""
    settings = loaded.recipe.evaluation
    if settings is None:
        return
    for name in settings.named:
        place = f"{SUITES}{name}" if name in settings.suites else f"evaluation.{name}"
        try:
            found = suite(loaded, name)
        except InputError as error:
            yield f"{place}: {error}"
        else:
            for problem in reference_problems(found, settings.named[name]):
                yield f"{place}: {problem}"


def _short(loaded: LoadedRecipe, source: Source, kind: SuiteKind) -> Iterator[Question]:
    for request in read_requests(source, "helpful", base=loaded.folder):
        name = f"{kind}/{request.id}"
        yield Question(name, kind, kind, request.category, request.conversation, request.columns)
