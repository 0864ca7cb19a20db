"""What is wrong with a recipe's evaluation beside its suites: rewards, marks and the gate.

In: a `LoadedRecipe`. Out: a text for each problem, before a model is loaded (`solon.validate`).
"""

from collections.abc import Iterator, Sequence

from constitution.document import DocumentError
from evaluation.answer import Question
from evaluation.settings import RUN_REWARD
from labeling.model import JUDGE
from solon.errors import BadInputError
from solon.gate import asked
from solon.loaded_recipe import LoadedRecipe
from solon.models import reward_model_problems
from solon.suites import questions


def evaluation_problems(loaded: LoadedRecipe) -> Iterator[str]:
    """Everything but what is in the suites themselves."""
    yield from _reward_problems(loaded)
    yield from _rubric_problems(loaded)
    yield from _gate_problems(loaded)


def _reward_problems(loaded: LoadedRecipe) -> Iterator[str]:
    """Reward models that are to rate the answers and are not there, or rate nothing."""
    settings = loaded.recipe.evaluation
    for name, reward in (settings.rewards if settings else {}).items():
        place = f"evaluation.rewards.{name}.reward_model"
        if reward.reward_model != RUN_REWARD:
            yield from reward_model_problems(loaded.resolve(reward.reward_model), place, scaled=False)
        elif loaded.recipe.training.reward is None:
            yield (
                f"{loaded.path}: `{place}` is the run's reward model, and the recipe trains none\n"
                "  next: add `training.reward: {}`, or name another one's folder"
            )


def _rubric_problems(loaded: LoadedRecipe) -> Iterator[str]:
    """Marks that nobody can give, or whose judge no audit could speak for, or with nothing to mark."""
    settings = loaded.recipe.evaluation
    if settings is None or settings.strongreject is None:
        return
    if loaded.judge.engine == "reward":
        yield (
            f"{loaded.path}: `evaluation.strongreject` asks the judge in words, and it is a reward model\n"
            "  next: name a language model as `models.judge`, or leave `strongreject` out"
        )
    elif loaded.labeling.judges != (JUDGE,):
        yield (
            f"{loaded.path}: `evaluation.strongreject` asks `models.judge` alone, and `labeling.judges` is a "
            "panel, which its audit speaks for\n"
            f"  next: set `labeling.judges: [{JUDGE}]`, or leave `strongreject` out"
        )
    if not any(question.kind == "harmful" for question in _questions(loaded)):
        yield (
            f"{loaded.path}: `evaluation.strongreject` has nothing to mark: no suite is of kind `harmful`\n"
            "  next: add `evaluation.suites.harmful: {path: solon-harmful}`, or leave `strongreject` out"
        )


def _questions(loaded: LoadedRecipe) -> Sequence[Question]:
    """What can be read; what cannot is told by `suite_problems`."""
    try:
        return questions(loaded)
    except DocumentError:
        return ()


def _gate_problems(loaded: LoadedRecipe) -> Iterator[str]:
    """A baseline that is not there would be missed only once everything is measured."""
    try:
        asked(loaded)
    except BadInputError as error:
        yield f"evaluation.gate: {error}"
