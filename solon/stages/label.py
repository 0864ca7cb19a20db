"""The stage `label`: pairs of samples and of revisions, judged in both orders, and datasets made of them."""

from critique.model import Trajectory
from labeling.agreement import Agreement
from labeling.dataset import Provenance, write_dataset
from labeling.model import SAMPLED, Labelled
from labeling.pairs import templates
from labeling.preferences import preference_dataset
from labeling.settings import LabelingSettings
from labeling.trust import Believing
from pipeline.store import StoredRecords, iter_records
from solon.audit import trust, warning
from solon.facts import label_facts, provenance, run_facts
from solon.label_datasets import LabelDatasets, told
from solon.programs import candidates, labeler
from solon.stages.sitting import Sitting
from solon.work import RunError


async def label(sitting: Sitting) -> None:
    """Judge the pairs, then write every dataset that the recipe asks for."""
    settings = sitting.loaded.recipe.labeling
    if settings is None:
        raise RunError("the recipe has no `labeling` section; add one, or leave this stage out")
    made_by = await _judged(sitting, settings)
    sitting.outputs.require_audit()
    loaded, folder = sitting.loaded, sitting.folder
    believed = Believing(settings, trust(loaded, folder))
    first = warning(loaded, folder)
    datasets = LabelDatasets(loaded, believed, folder, made_by, sitting.reporter, first)
    if "preferences" in settings.exports:
        _write_preferences(sitting, datasets)
    datasets.write_others(lambda: _facts(sitting))


async def _judged(sitting: Sitting, settings: LabelingSettings) -> Provenance:
    """Every comparison with its judgment, in the run folder; gives where they come from."""
    loaded, folder = sitting.loaded, sitting.folder
    sitting.outputs.made("critique", folder.trajectories, needs="critique")
    rows = candidates(loaded, StoredRecords(folder.trajectories, Trajectory))
    engines = loaded.judges
    if SAMPLED.intersection(settings.pairs):
        engines["policy"] = sitting.outputs.sl_model()
    async with sitting.engines(**engines) as context:
        program = labeler(loaded)
        await sitting.rows(
            "label", program, rows, context, kind=Labelled, folder=folder.comparisons, many=True
        )
        return provenance(
            loaded,
            context,
            (*templates(settings.pairs), *program.judge.templates),
            labeling=settings.model_dump(mode="json"),
        )


def _write_preferences(sitting: Sitting, datasets: LabelDatasets) -> None:
    """The dataset of pairs with its card, which says how often the orders agreed and what people added."""
    folder, say = sitting.folder, sitting.reporter.say
    agreed = Agreement(labeler(sitting.loaded).judge.method.ordered)
    labelled = agreed.counting(iter_records(folder.comparisons, Labelled))
    believed = datasets.believed
    pairs = preference_dataset(labelled, believed.settings, datasets.provenance, trust=believed.trust)
    dataset = datasets.selected(pairs)
    write_dataset(
        folder.preferences,
        dataset,
        title=f"{sitting.loaded.recipe.name}: preferences",
        facts=lambda: _facts(sitting) | {"agreement": str(agreed)} | datasets.people_facts(dataset.counts),
        warning=datasets.warning,
    )
    say(f"preference dataset: {told(dataset.counts)}")
    say(str(agreed))
    for name, said in datasets.people_facts(dataset.counts).items():
        say(f"{name}: {said}")


def _facts(sitting: Sitting) -> dict[str, str]:
    return run_facts(sitting.loaded) | label_facts(sitting.loaded, sitting.folder)
