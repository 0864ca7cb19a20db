"""The stage `evaluate`: every model on the held-out prompts, and the report of before and after."""

from dataclasses import replace

from solon.checkpoints import of_run
from solon.evaluate import Measurement
from solon.facts import run_facts
from solon.report import report_on
from solon.stage import POLICIES
from solon.stages.sitting import Sitting


async def evaluate(sitting: Sitting) -> None:
    """Measure the base and all that the recipe trains, which has to be there, and write the report."""
    loaded, folder = sitting.loaded, sitting.folder
    for stage in loaded.recipe.stages:
        if stage in POLICIES:
            sitting.outputs.trained(stage)
    models = of_run(loaded, folder)
    found = await Measurement(loaded, models, sitting.asking, folder.evaluation, folder).record()
    seconds = {f"seconds, {stage}": f"{seconds:.0f}" for stage, seconds in sitting.seconds.items()}
    facts = {**run_facts(loaded), **found.facts, **seconds}
    report_on(replace(found, facts=facts), [folder], folder.path, reporter=sitting.reporter)
