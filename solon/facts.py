"""What cards and the report say of a run: who was asked what, by which principles, and who checked.

In: a recipe and its run folder. Out: facts by their names, in the order of a card, and the provenance that
the rows of a dataset carry.
"""

from collections.abc import Sequence

from engine.settings import ModelSettings
from labeling.dataset import Provenance
from labeling.judge import METHODS
from pipeline.context import Context
from solon.audit import audit_fact, online_warning, warning
from solon.loaded_recipe import LoadedRecipe
from solon.run_folder import RunFolder
from solon.stage import LEARN_FROM_LABELS
from training.settings import MethodName


def run_facts(loaded: LoadedRecipe) -> dict[str, str]:
    """What was run, for cards and the report."""
    recipe, constitution = loaded.recipe, loaded.constitution
    return {
        "recipe": recipe.name,
        "seed": str(recipe.seed),
        "constitution": f"{constitution.name} {constitution.version} ({constitution.digest[:12]})",
        "assistant": loaded.assistant.model,
        "judge": _spelled(loaded.judge),
    }


def label_facts(loaded: LoadedRecipe, folder: RunFolder) -> dict[str, str]:
    """How the pairs were judged, and by whom."""
    settings = loaded.labeling
    judges = ", ".join(f"{role}: {_spelled(model)}" for role, model in loaded.judges.items())
    votes = "one principle" if settings.principles == 1 else f"{settings.principles} principles"
    votes = votes if METHODS[settings.method].by_principle else "no principle"
    return {
        "judge": judges,
        "labels": f"by method {settings.method}, {votes} to a pair",
        "audit of the judge": audit_fact(loaded, folder),
    }


def judged_facts(loaded: LoadedRecipe, folder: RunFolder, method: MethodName) -> dict[str, str]:
    """What a model's card says of whose labels it learnt from, or who judged while it did."""
    online = loaded.online(method)
    if online is not None:
        told = online.asks_judge or online.uses_run
        first = online_warning(loaded, folder, online)
    else:
        told, first = method in LEARN_FROM_LABELS, warning(loaded, folder)
    if not told:
        return {}
    asked = label_facts(loaded, folder) if online is not None and online.asks_judge else {}
    audit = {"audit of the judge": audit_fact(loaded, folder)}
    return asked | audit | ({"warning": first} if first else {})


def provenance(
    loaded: LoadedRecipe, context: Context, templates: Sequence[str], **sampling: object
) -> Provenance:
    """Where the rows of a dataset come from; `sampling` are the settings that they were made by."""
    constitution = loaded.constitution
    return Provenance(
        constitution=f"{constitution.name} {constitution.version}",
        constitution_digest=constitution.digest,
        templates={name: loaded.prompts.hash(name) for name in templates},
        engines={role: engine.fingerprint.digest for role, engine in context.engines.items()},
        sampling=sampling,
        seed=loaded.recipe.seed,
    )


def _spelled(model: ModelSettings) -> str:
    """A model in a card: an adapter makes it another one, wherever that lies."""
    return model.model if model.adapter is None else f"{model.model} with adapter {model.adapter.name}"
