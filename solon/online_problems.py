"""What is wrong with a recipe's online methods: their rewards, their prompts, who samples for them.

In: a `LoadedRecipe` and the stage. Out: a text for each problem, before a model is loaded (`solon.validate`).
"""

from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

from constitution.document import Problem
from pipeline.rows import InputError
from solon.loaded_recipe import LoadedRecipe
from solon.models import reward_model_problems
from solon.programs import prompts_to_answer
from solon.stage import SECTIONS, Stage
from training.reward_part import RUN
from training.settings import OnlineSettings
from training.verifiers.attempt import BadReferenceError
from training.verifiers.registry import check_reference

POINTWISE = "pointwise"
"""The way to label by which judges score answers alone."""


def online_problems(loaded: LoadedRecipe, stage: Stage) -> Iterator[str]:
    """Rewards that will not be there, prompts and samplers that are asked for and not given."""
    settings, section = loaded.online(stage), SECTIONS[stage]
    if settings is None or stage not in loaded.recipe.stages:
        return
    if settings.uses_run and loaded.recipe.training.reward is None:
        yield (
            f"{loaded.path}: `{section}` is scored by the run's reward model, and the recipe trains none\n"
            "  next: add `training.reward: {}`, or give other `reward_funcs`, such as a verifier"
        )
    if settings.helpful_share and (loaded.data.helpful is None or loaded.data.prompts is not None):
        yield (
            f"{loaded.path}: `{section}.helpful_share` asks for helpful prompts, and there are none\n"
            "  next: add `data.helpful` (which `data.prompts` takes the place of), or set helpful_share to 0"
        )
    for number, part in enumerate(settings.reward_funcs):
        if part.reward_model not in (None, RUN):
            place = f"{section}.reward_funcs[{number}].reward_model"
            yield from reward_model_problems(Path(str(part.reward_model)), place, scaled=part.normalize)
    yield from _scoring_problems(loaded, settings, section)
    if settings.use_vllm and find_spec("vllm") is None:
        yield (
            f"{loaded.path}: `{section}.use_vllm` needs the package vllm, which is not installed\n"
            "  next: pip install 'solon[vllm]' where there is a GPU, or set use_vllm to false"
        )


def check_references(loaded: LoadedRecipe, stage: Stage) -> None:
    """`InputError` at the first prompt whose answers a verifier could hold against nothing."""
    settings = loaded.online(stage)
    if settings is None or stage not in loaded.recipe.stages:
        return
    verifiers = [part.verifier for part in settings.reward_funcs if part.verifier is not None]
    rows = prompts_to_answer(loaded, settings) if verifiers else ()
    for number, row in enumerate(rows, 1):
        for verifier in verifiers:
            try:
                check_reference(row, verifier)
            except BadReferenceError as error:
                where = f"{' and '.join(loaded.asked_online)}, row {number}"
                what = f"`{SECTIONS[stage]}` cannot verify answers to it: {error}"
                raise InputError(Problem(where, what)) from error


def _scoring_problems(loaded: LoadedRecipe, settings: OnlineSettings, section: str) -> Iterator[str]:
    """Judges that are to score answers alone, and cannot, or whose audit asked them in another way."""
    if not any(part.judge == POINTWISE for part in settings.reward_funcs):
        return
    method = loaded.labeling.method
    if method == "reward":
        yield (
            f"{loaded.path}: `{section}.reward_funcs` asks judges that answer in words, and they are reward "
            "models\n  next: name them as parts, `{reward_model: FOLDER}`, or judges that answer in words"
        )
    elif method != POINTWISE and loaded.recipe.gated and loaded.recipe.audit is not None:
        yield (
            f"{loaded.path}: `{section}.reward_funcs` has the judge score each answer alone, and the audit "
            f"asks it by `{method}`: it says nothing about these scores\n"
            "  next: set `labeling.method: pointwise`, or say `unaudited: true`, which the cards then say\n"
            "        first"
        )
