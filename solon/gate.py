"""An evaluation that gates: what a recipe and the command line ask of it, held against its `report.json`.

Everything that can be wrong with the question is told before a model loads; the answer is a sentence for
each requirement.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from evaluation.gate import gate
from evaluation.report.record import Recorded, read_report
from evaluation.requirement import Requirement, require_both_sides, requirement
from pipeline.shards import StoreError
from solon.errors import BadInputError
from solon.loaded_recipe import LoadedRecipe

REPORT = "report.json"


@dataclass(frozen=True, slots=True)
class Asked:
    """Requirements, and the older report where there is one."""

    requirements: tuple[Requirement, ...]
    baseline: Recorded | None

    def __bool__(self) -> bool:
        return bool(self.requirements) or self.baseline is not None


def asked(loaded: LoadedRecipe, require: Sequence[str] = (), baseline: Path | None = None) -> Asked:
    """What the recipe asks, and the command line besides; a baseline given there is taken instead.

    Raises:
        BadInputError: a requirement or the baseline cannot be read, or one needs a baseline; or a model that
            answers alike to everything would pass.
    """
    settings = loaded.recipe.evaluation.gate if loaded.recipe.evaluation else None
    own = settings.require if settings else ()
    if baseline is None and settings and settings.baseline:
        baseline = loaded.resolve(settings.baseline)
    try:
        found = tuple(requirement(text) for text in (*own, *require))
        older = read_report(baseline) if baseline else None
    except (ValueError, StoreError) as error:
        raise BadInputError(str(error)) from error
    if older is None and (kept := [one for one in found if not one.sign]):
        raise BadInputError(
            f"--require {kept[0]}: must not fall, and nothing says below what\n"
            f"  next: give a --baseline, or a threshold, as in {kept[0]}>=0.8"
        )
    try:
        require_both_sides(found)
    except ValueError as error:
        raise BadInputError(str(error)) from error
    question = Asked(found, older)
    if question and loaded.recipe.evaluation is not None and not loaded.recipe.evaluation.controls:
        raise BadInputError(
            "a gate holds the controls to what it asks, so that no model passes by what a control does as "
            "well\n  next: set `evaluation.controls: true`, or ask for no gate"
        )
    return question


def holds(question: Asked, folder: Path, say: Callable[[str], None]) -> bool:
    """Whether the report in the folder meets all of it; says why, or why not, a sentence each.

    Raises:
        BadInputError: what is asked for was not measured.
    """
    try:
        found = gate(read_report(folder / REPORT), question.requirements, question.baseline)
    except ValueError as error:
        raise BadInputError(str(error)) from error
    for check in found.checks:
        say(f"gate: {'holds' if check.passed else 'FAILS'}: {check.sentence}")
    return found.passed
