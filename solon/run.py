"""The main job, stage by stage: critique, SFT, labels, DPO, evaluation, report.

Each stage reads what the one before it stored in the run folder and stores its own output whole, so that a
run which was stopped goes on where it stood: finished stages are skipped, and answers of an unfinished one
come from the journal.
"""

import asyncio
import contextlib
import json
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar, get_args

from critique.model import Request, Text, Trajectory
from critique.revise import Reviser
from critique.select import Selected, select
from engine.open import open_engine
from engine.protocol import Engine, Sampling
from engine.settings import ModelSettings
from evaluation.answer import Answerer, Question
from evaluation.grader import graded
from evaluation.model import Graded, ModelResult, Suite
from labeling.export import Provenance, preference_dataset, sft_dataset, write_dataset
from labeling.judge import TEMPLATES, Judge
from labeling.model import Labelled
from labeling.pairs import Candidate, Labeler, drawn
from pipeline.context import Context
from pipeline.journal import Journal
from pipeline.runner import HasId, Outcome, Program, collect, run_rows
from pipeline.store import read_records, read_rows, write_records
from prompts.message import Conversation
from solon.console import Reporter
from solon.inputs import check_apart, check_disjoint, read_requests
from solon.recipe import LoadedRecipe, Stage
from solon.run_folder import RunFolder
from training.model import TrainingProgress

Row = TypeVar("Row", bound=HasId)
Record = TypeVar("Record")


class RunError(Exception):
    """A stage cannot go on; the message says why and what to do next."""


def run(loaded: LoadedRecipe, folder: RunFolder, stages: Sequence[Stage] | None, reporter: Reporter) -> None:
    """Run the stages (all that the recipe has, if None) in the folder, and go on with what is half done.

    Raises:
        RunError: a stage has nothing to go on with, or needs one that has not run.
        EngineError, TrainingError, JournalError, StoreError: as the parts below say.
    """
    asyncio.run(_Run(loaded, folder, reporter).go(stages or loaded.recipe.stages))


@dataclass(slots=True)
class _Run:
    loaded: LoadedRecipe
    folder: RunFolder
    reporter: Reporter
    seconds: dict[str, float] = field(default_factory=dict)

    async def go(self, stages: Sequence[Stage]) -> None:
        steps = {
            "critique": (self.trajectories, self.critique),
            "sft": (self.folder.sft, self.sft),
            "label": (self.comparisons, self.label),
            "dpo": (self.folder.dpo, self.dpo),
            "evaluate": (self.folder.report, self.evaluate),
        }
        for stage in stages:
            output, work = steps[stage]
            if output.exists():
                self.reporter.say(f"{stage}: done before, in {output}")
                continue
            started = time.monotonic()
            await work()
            self.seconds[stage] = time.monotonic() - started
            self.reporter.say(f"{stage}: {self.seconds[stage]:.0f} s in all")

    @property
    def trajectories(self) -> Path:
        return self.folder.data / "trajectories.parquet"

    @property
    def comparisons(self) -> Path:
        return self.folder.data / "comparisons.parquet"

    # The stages, in the order of the data's way.

    async def critique(self) -> None:
        """Respond, critique, revise; then the SFT dataset of what is fit to learn from."""
        requests = self._training_requests()
        settings = self.loaded.recipe.critique
        async with self._engines(assistant=self.loaded.assistant, judge=self.loaded.judge) as context:
            program = Reviser(self.loaded.constitution, self.loaded.prompts, settings)
            trajectories = await self._rows("critique", program, requests, context)
            provenance = self._provenance(
                context,
                ("respond", *(("direct_revision",) if settings.direct else ("critique", "revise"))),
                critique=settings.model_dump(mode="json"),
            )
        chosen = [(trajectory, self._selected(trajectory)) for trajectory in trajectories]
        dataset = sft_dataset(chosen, provenance)
        self._counts("SFT dataset", dataset.counts)
        write_dataset(
            self.folder.data / "sft", dataset, title=f"{self.loaded.recipe.name}: SFT", facts=self._facts()
        )
        write_records(self.trajectories, trajectories, Trajectory)

    async def sft(self) -> None:
        """Fine-tune the assistant on revisions and helpful samples."""
        settings = self.loaded.recipe.training.sft
        if settings is None:
            raise RunError("the recipe has no `training.sft` section; add one, or leave this stage out")
        from training.sft import train_sft

        rows = read_rows(_require(self.folder.data / "sft" / "train.parquet", needs="critique"))
        with self._bar("sft") as progress:
            trained = await asyncio.to_thread(
                train_sft,
                rows,
                model=self.loaded.assistant,
                settings=settings,
                out=self.folder.sft,
                seed=self.loaded.recipe.seed,
                card=self._facts(),
                samples=self._sample_conversations(),
                progress=progress,
            )
        self.reporter.say(f"sft: {trained.rows} rows, model in {trained.folder}")

    async def label(self) -> None:
        """Pairs of the SL model's samples and of revisions, judged in both orders; the preference dataset."""
        settings = self.loaded.recipe.labeling
        if settings is None:
            raise RunError("the recipe has no `labeling` section; add one, or leave this stage out")
        trajectories = read_records(_require(self.trajectories, needs="critique"), Trajectory)
        candidates = [Candidate(trajectory, self._good(trajectory)) for trajectory in trajectories]
        rows = drawn(candidates, settings, seed=self.loaded.recipe.seed)
        engines = {"judge": self.loaded.judge, "policy": self._sl_model()}
        async with self._engines(**engines) as context:
            judge = Judge(self.loaded.constitution, self.loaded.prompts, settings)
            groups = await self._rows("label", Labeler(judge), rows, context)
            provenance = self._provenance(
                context, ("respond", TEMPLATES[settings.method]), labeling=settings.model_dump(mode="json")
            )
        labelled = [item for group in groups for item in group]
        if not labelled:
            raise RunError(
                "no pair of responses was made: both samples were the same everywhere; raise the temperature"
            )
        dataset = preference_dataset(labelled, settings, provenance)
        self._counts("preference dataset", dataset.counts)
        self.reporter.say(_orders(labelled))
        write_dataset(
            self.folder.data / "preferences",
            dataset,
            title=f"{self.loaded.recipe.name}: preferences",
            facts=self._facts() | {"judge": _orders(labelled)},
        )
        write_records(self.comparisons, labelled, Labelled)

    async def dpo(self) -> None:
        """Direct preference optimisation from the SL model."""
        settings = self.loaded.recipe.training.dpo
        if settings is None:
            raise RunError("the recipe has no `training.dpo` section; add one, or leave this stage out")
        from training.dpo import train_dpo

        rows = read_rows(_require(self.folder.data / "preferences" / "train.parquet", needs="label"))
        with self._bar("dpo") as progress:
            trained = await asyncio.to_thread(
                train_dpo,
                rows,
                model=self._sl_model(),
                settings=settings,
                out=self.folder.dpo,
                seed=self.loaded.recipe.seed,
                card=self._facts(),
                samples=self._sample_conversations(),
                progress=progress,
            )
        self.reporter.say(f"dpo: {trained.rows} pairs, model in {trained.folder}")

    async def evaluate(self) -> None:
        """Every model on the held-out prompts, and the report of before and after."""
        settings = self.loaded.recipe.evaluation
        if settings is None:
            raise RunError("the recipe has no `evaluation` section; add one, or leave this stage out")
        from evaluation.report import console_table, write_report

        questions = self._questions()
        sampling = Sampling(max_tokens=settings.max_tokens, temperature=settings.temperature)
        results, fingerprints = [], {}
        for name, model in self._models().items():
            async with self._engines(model=model) as context:
                answers = await self._rows(
                    f"evaluate {name}", Answerer(self.loaded.prompts, sampling), questions, context
                )
                fingerprints[f"{name} model"] = _named(context.engines["model"])
            results.append(ModelResult(name, tuple(answers)))
            rows = [graded(answer) for answer in answers]
            write_records(self.folder.evaluation / f"{name}.parquet", rows, Graded)
        facts = self._facts() | fingerprints | {f"seconds, {k}": f"{v:.0f}" for k, v in self.seconds.items()}
        report = write_report(results, self.folder.path, facts=facts)
        self.reporter.table(console_table(results))
        self.reporter.say(f"report: {report.resolve()}")

    # What the stages share.

    def _training_requests(self) -> list[Request]:
        data, base = self.loaded.recipe.data, self.loaded.folder
        requests = read_requests(data.red_team, "red_team", base=base)
        if data.helpful is not None:
            helpful = read_requests(data.helpful, "helpful", base=base)
            check_apart(requests, helpful, names=("data.red_team", "data.helpful"))
            requests += helpful
        if self.loaded.recipe.evaluation is not None:
            check_disjoint(requests, self._held_out("harmful") + self._held_out("harmless"))
        return requests

    def _held_out(self, suite: Suite) -> list[Request]:
        settings = self.loaded.recipe.evaluation
        if settings is None:
            return []
        source = settings.harmful if suite == "harmful" else settings.harmless
        return read_requests(source, "helpful", base=self.loaded.folder)

    def _questions(self) -> list[Question]:
        return [
            Question(f"{suite}/{request.id}", suite, request.category, request.conversation)
            for suite in get_args(Suite)
            for request in self._held_out(suite)
        ]

    def _sample_conversations(self) -> list[Conversation]:
        """A few held-out prompts of each suite, for the samples beside a trained model."""
        return [request.conversation for suite in get_args(Suite) for request in self._held_out(suite)[:3]]

    def _selected(self, trajectory: Trajectory) -> list[Selected]:
        return select(trajectory, self.loaded.constitution, self.loaded.recipe.critique.selection)

    def _good(self, trajectory: Trajectory) -> Text | None:
        """The answer to learn from: the last revision, or the first helpful sample, if selection kept it."""
        answers = self._selected(trajectory)
        answer = answers[-1] if trajectory.rounds else answers[0]
        return answer.answer if answer.kept else None

    def _sl_model(self) -> ModelSettings:
        """The assistant after SFT, or as it is where the recipe has no SFT stage."""
        if self.loaded.recipe.training.sft is None:
            return self.loaded.assistant
        return self._trained(self.folder.sft, needs="train --method sft")

    def _trained(self, folder: Path, *, needs: str) -> ModelSettings:
        _require(folder, needs=needs)
        if (folder / "adapter_config.json").exists():
            return self.loaded.assistant.model_copy(update={"adapter": folder.resolve()})
        return self.loaded.assistant.model_copy(update={"model": str(folder.resolve()), "adapter": None})

    def _models(self) -> dict[str, ModelSettings]:
        """The models to evaluate, base first."""
        training = self.loaded.recipe.training
        models = {"base": self.loaded.assistant}
        if training.sft is not None:
            models["sft"] = self._trained(self.folder.sft, needs="train --method sft")
        if training.dpo is not None:
            models["dpo"] = self._trained(self.folder.dpo, needs="train --method dpo")
        return models

    @contextlib.asynccontextmanager
    async def _engines(self, **roles: ModelSettings) -> AsyncIterator[Context]:
        """Open engines by role, one for roles with equal settings, and the journal."""
        opened: dict[ModelSettings, Engine] = {}
        with Journal(self.folder.journal / "answers.log") as journal:
            if journal.cut_off:
                self.reporter.say(
                    f"journal: a record cut short by a crash was taken off ({journal.cut_off} bytes)"
                )
            try:
                for role, settings in roles.items():
                    if settings not in opened:
                        self.reporter.say(
                            f"loading {role}: {settings.model}"
                            + (f" + {settings.adapter}" if settings.adapter else "")
                        )
                        opened[settings] = await open_engine(settings)
                engines = {role: opened[settings] for role, settings in roles.items()}
                yield Context(engines, journal, self.loaded.recipe.seed)
            finally:
                for engine in opened.values():
                    await engine.close()

    async def _rows(
        self, stage: str, program: Program[Row, Record], rows: Sequence[Row], context: Context
    ) -> list[Record]:
        """Run the rows under a progress bar; failed rows are stored with their reasons, not returned."""
        with self.reporter.stage(stage, total=len(rows)) as bar:
            outcomes = await collect(run_rows(program, rows, context, on_done=bar.advance))
        tally = context.tally
        self.reporter.say(
            f"{stage}: {tally.asked} calls asked, {tally.found} found in the journal, "
            f"{tally.prompt_tokens} prompt and {tally.completion_tokens} new tokens"
        )
        failed = [outcome for outcome in outcomes if outcome.record is None]
        if failed:
            self._store_failures(stage, failed)
        records = [outcome.record for outcome in outcomes if outcome.record is not None]
        if not records:
            raise RunError(f"{stage}: every row failed; the first reason: {failed[0].message}")
        return records

    def _store_failures(self, stage: str, failed: Sequence[Outcome[Record]]) -> None:
        path = self.folder.data / f"failed-{stage.replace(' ', '-')}.jsonl"
        path.parent.mkdir(parents=True, exist_ok=True)
        lines = [json.dumps({"id": o.row_id, "reason": o.reason, "message": o.message}) for o in failed]
        path.write_text("\n".join(lines) + "\n")
        reasons = ", ".join(
            f"{reason}: {count}" for reason, count in Counter(o.reason for o in failed).items()
        )
        self.reporter.say(f"{stage}: {len(failed)} rows failed ({reasons}); see {path}")

    @contextlib.contextmanager
    def _bar(self, stage: str) -> Iterator[Callable[[TrainingProgress], None]]:
        with self.reporter.stage(stage) as bar:
            phase = ""

            def show(progress: TrainingProgress) -> None:
                nonlocal phase
                bar.move_to(progress.step, progress.total)
                loss = f"loss {progress.loss:.3f}" if progress.loss is not None else ""
                bar.note(f"{progress.phase} {loss}".strip())

            yield show

    def _provenance(self, context: Context, templates: Sequence[str], **sampling: object) -> Provenance:
        constitution = self.loaded.constitution
        return Provenance(
            constitution=f"{constitution.name} {constitution.version}",
            constitution_digest=constitution.digest,
            templates={name: self.loaded.prompts.hash(name) for name in templates},
            engines={role: engine.fingerprint.digest for role, engine in context.engines.items()},
            sampling=sampling,
            seed=self.loaded.recipe.seed,
        )

    def _facts(self) -> dict[str, str]:
        """What was run, for cards and the report."""
        recipe, constitution = self.loaded.recipe, self.loaded.constitution
        return {
            "recipe": recipe.name,
            "seed": str(recipe.seed),
            "constitution": f"{constitution.name} {constitution.version} ({constitution.digest[:12]})",
            "assistant": self.loaded.assistant.model,
            "judge": self.loaded.judge.model,
        }

    def _counts(self, name: str, counts: Mapping[str, int]) -> None:
        self.reporter.say(f"{name}: " + ", ".join(f"{key} {count}" for key, count in sorted(counts.items())))


def _require(path: Path, *, needs: str) -> Path:
    """The output of an earlier stage, if it is there; else which command makes it."""
    if not path.exists():
        raise RunError(f"{path}: not there yet; run `solon {needs}` first")
    return path


def _orders(labelled: Sequence[Labelled]) -> str:
    """How often the judge named the same response in both orders; a fair coin would in half of them."""
    same_response = sum(item.judgment.agree for item in labelled)
    return (
        f"the two orders named the same response in {same_response} of {len(labelled)} pairs "
        f"({100 * same_response / len(labelled):.0f} %), else the same position"
    )


def _named(engine: Engine) -> str:
    fingerprint = engine.fingerprint
    adapter = f" + adapter {fingerprint.adapter}" if fingerprint.adapter else ""
    return (
        f"{fingerprint.model} {fingerprint.revision}{adapter} in {fingerprint.dtype or 'unknown precision'}"
    )
