"""The stage `critique`: respond, critique, revise; then the SFT dataset of what is fit to learn from."""

from critique.model import Trajectory
from labeling.dataset import write_dataset
from labeling.sft import sft_dataset
from pipeline.store import iter_records
from solon.facts import provenance, run_facts
from solon.label_datasets import told
from solon.programs import reviser, selected, training_requests
from solon.stages.sitting import Sitting


async def critique(sitting: Sitting) -> None:
    """Make a trajectory of every prompt, and write what selection keeps."""
    loaded, folder = sitting.loaded, sitting.folder
    settings = loaded.recipe.critique
    async with sitting.engines(assistant=loaded.assistant, judge=loaded.critic) as context:
        requests = training_requests(loaded)
        await sitting.rows(
            "critique", reviser(loaded), requests, context, kind=Trajectory, folder=folder.trajectories
        )
        made_by = provenance(
            loaded,
            context,
            ("respond", *(("direct_revision",) if settings.direct else ("critique", "revise"))),
            critique=settings.model_dump(mode="json"),
        )
    trajectories = iter_records(folder.trajectories, Trajectory)
    dataset = sft_dataset(((each, selected(loaded, each)) for each in trajectories), made_by)
    title = f"{loaded.recipe.name}: SFT"
    write_dataset(folder.sft_dataset, dataset, title=title, facts=lambda: run_facts(loaded))
    sitting.reporter.say(f"SFT dataset: {told(dataset.counts)}")
