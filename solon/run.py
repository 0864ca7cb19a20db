"""The main job, stage by stage: audit, critique, SFT, labels, reward model, DPO, PPO, evaluation, report.

Each stage reads what the one before it stored in the run folder and stores its own output there. A run that
was stopped goes on where it stood: finished stages are skipped, whole shards of an unfinished one too, and
answers behind them come from the journal. A finished stage is made again where what it was made from changed.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from pathlib import Path
from typing import TypeVar, cast, get_args

from critique.model import Trajectory
from engine.settings import ModelSettings
from labeling.audit.ask import Audited
from labeling.export import Provenance, preference_dataset, sft_dataset, write_dataset
from labeling.judge import METHODS, Judge
from labeling.model import SAMPLED, LabelingSettings, Labelled
from labeling.pair_settings import Export
from labeling.pairs import templates
from labeling.trust import Believing
from pipeline.context import Context
from pipeline.gate import Stop, StoppedError
from pipeline.journal import Journal
from pipeline.runner import HasId, Program
from pipeline.store import StoredRecords, StoredRows, iter_records
from prompts.message import Conversation
from solon.asking import Asking, open_journal
from solon.audit import (
    audit_fact,
    audit_pairs,
    audit_settings,
    auditor,
    judge_facts,
    online_warning,
    require_fit,
    trust,
    warning,
)
from solon.checkpoints import Evaluated, of_run, reached
from solon.console import Reporter
from solon.demonstrations import imitated
from solon.estimated import compared
from solon.evaluate import Measurement
from solon.label_datasets import LabelDatasets, told
from solon.memory import give_back
from solon.programs import (
    candidates,
    labeler,
    prompts_to_answer,
    reviser,
    selected,
    training_requests,
)
from solon.progress import Progress, State
from solon.recipe import LEARN_FROM_LABELS, POLICIES, SECTIONS, LoadedRecipe, Stage
from solon.report import report_on
from solon.run_folder import RunFolder, diff_folder, estimate_folder, input_digests
from solon.stage_inputs import made_from
from solon.suites import shown
from solon.work import RunError, SizedRows, Work
from training.data import reasons
from training.judge import OnlineJudge
from training.model import Trained, TrainingProgress
from training.settings import MethodName, OnlineSettings, TrainerSettings

Row = TypeVar("Row", bound=HasId)
Record = TypeVar("Record")

_UNITS: Mapping[Export | None, str] = {"preferences": "pairs", "unpaired": "responses", "ranked": "groups"}
"""What a row of a dataset is called."""


def run(
    loaded: LoadedRecipe,
    folder: RunFolder,
    stages: Sequence[Stage] | None,
    reporter: Reporter,
    *,
    stop: Stop | None = None,
) -> None:
    """Run the stages (all that the recipe has, if None) in the folder, and go on with what is half done.

    Raises:
        RunError: a stage has nothing to go on with, or needs one that has not run.
        StoppedError: `stop` was asked; everything that had come is kept.
        EngineError, TrainingError, JournalError, StoreError: as the parts below say.
    """
    beside = (estimate_folder(folder.path), diff_folder(folder.path))
    also = [place / folder.answers.name for place in beside]
    with open_journal(folder.answers, reporter, also=also) as journal:
        progress = Progress(folder.progress)
        progress.go_on(journal)
        work = _Run(loaded, folder, reporter, journal, progress, stop or Stop())
        asyncio.run(work.go(stages or loaded.recipe.stages))


def follow(loaded: LoadedRecipe, folder: RunFolder, reporter: Reporter) -> None:
    """Train beside the first process of several, by each method that it begins, and write nothing.

    Raises:
        TrainingError: as the first process does.
    """
    from training.processes import shared

    while (method := shared(_nothing)) is not None:
        work = _Run(loaded, folder, reporter, None, Progress(folder.progress), Stop())
        work.training(method).train()


def _nothing() -> MethodName | None:
    """What a process that only follows has to say of what is trained next."""
    return None


def looked_at(
    loaded: LoadedRecipe, folder: RunFolder, methods: Sequence[MethodName], reporter: Reporter
) -> Iterator["Training"]:
    """What each method would be given, one after the other; nothing is written.

    Raises:
        RunError: what it learns from is not there.
    """
    work = _Run(loaded, folder, reporter, None, Progress(folder.progress), Stop())
    yield from map(work.training, methods)


@dataclass(frozen=True, slots=True)
class Training:
    """What a method is given: rows, the model to go on from, settings; `judged`: its judge has to be fit."""

    method: MethodName
    rows: Iterable[Mapping[str, object]]
    model: ModelSettings
    settings: TrainerSettings
    judged: bool
    out: Path
    seed: int

    def train(
        self,
        *,
        card: Mapping[str, str] | None = None,
        samples: Sequence[Conversation] = (),
        progress: Callable[[TrainingProgress], None] | None = None,
        judge: OnlineJudge | None = None,
    ) -> Trained:
        """Raises `TrainingError`, as `training.method` says."""
        from training.methods import METHODS

        return METHODS[self.method](
            self.rows,
            model=self.model,
            settings=self.settings,
            out=self.out,
            seed=self.seed,
            card=card or {},
            samples=samples,
            progress=progress,
            judge=judge,
        )


@dataclass
class _Run:
    loaded: LoadedRecipe
    folder: RunFolder
    reporter: Reporter
    journal: Journal | None
    progress: Progress
    stop: Stop
    seconds: dict[str, float] = field(default_factory=dict)

    async def go(self, stages: Sequence[Stage]) -> None:
        loop = asyncio.get_running_loop()
        # A signal's handler runs between two steps of the loop: this wakes it to take them.
        self.stop.then(lambda: loop.call_soon_threadsafe(lambda: None))
        steps: dict[Stage, tuple[Path, Callable[[], Awaitable[None]]]] = {
            **{name: (self.folder.model(name), partial(self.train, name)) for name in get_args(MethodName)},
            "audit": (self.folder.audit, self.audit),
            "critique": (self.folder.trajectories, self.critique),
            "label": (self.folder.comparisons, self.label),
            "evaluate": (self.folder.report, self.evaluate),
        }
        for stage in stages:
            output, work = steps[stage]
            await self._stage(stage, output, work)
            if stage == "audit" and not set(stages).isdisjoint(self.loaded.recipe.learns_from_judge):
                require_fit(self.loaded, self.folder)
        comparison = compared(self.progress.stages, self.folder)
        if comparison:
            self.reporter.say(comparison)

    async def _stage(self, stage: Stage, output: Path, work: Callable[[], Awaitable[None]]) -> None:
        """Do the stage, unless it was done from the same inputs."""
        if self.stop.asked:
            raise StoppedError(f"stopped before {stage}")
        inputs = self._made_from(stage)
        if output.exists() and self.progress.is_done(stage, inputs):  # noqa: ASYNC240
            self.reporter.say(f"{stage}: done before, in {output}")
            return
        begun = self.progress.begin(stage, inputs)
        state: State = "failed"
        try:
            await work()
            state = "done"
        except (StoppedError, asyncio.CancelledError):
            state = "stopped"
            raise
        finally:
            self.progress.end(begun, state)
            give_back()
        self.seconds[stage] = begun.seconds
        self.reporter.say(f"{stage}: {begun.seconds:.0f} s in all")

    def _made_from(self, stage: Stage) -> str:
        return made_from(stage, self.loaded, self._files, folder=self.folder, progress=self.progress)

    @cached_property
    def _files(self) -> Mapping[str, str]:
        return input_digests(self.loaded)

    # The stages, in the order of the data's way.

    async def audit(self) -> None:
        """The judge on pairs that people labelled: figures, report and verdict."""
        from labeling.audit.record import audit, write_audit
        from labeling.audit.report import spoken, write_report

        given, program = audit_pairs(self.loaded, self.folder), auditor(self.loaded)
        for file in given.files:
            self.reporter.say(str(file))
        async with self._engines(**self.loaded.judges) as context:
            folder = self.folder.audited
            await self._rows("audit", program, given.rows, context, kind=Audited, folder=folder, many=True)
            judge = judge_facts(self.loaded, context.engines)
        audited = list(iter_records(folder, Audited))
        found = audit(
            audited,
            given.pairs,
            self.loaded.labeling,
            thresholds=audit_settings(self.loaded).thresholds,
            judge=judge,
            files=given.files,
            failed=self.progress.stages["audit"].failed,
            seed=self.loaded.recipe.seed,
        )
        report = write_report(self.folder.audit.parent, found, audited, name=self.loaded.recipe.name)
        write_audit(self.folder.audit, found)
        self.reporter.say(f"audit: {spoken(found)}")
        self.reporter.say(f"audit: {report.resolve()}")

    async def critique(self) -> None:
        """Respond, critique, revise; then the SFT dataset of what is fit to learn from."""
        settings, folder = self.loaded.recipe.critique, self.folder.trajectories
        async with self._engines(assistant=self.loaded.assistant, judge=self.loaded.critic) as context:
            requests = training_requests(self.loaded)
            await self._rows(
                "critique", reviser(self.loaded), requests, context, kind=Trajectory, folder=folder
            )
            provenance = self._provenance(
                context,
                ("respond", *(("direct_revision",) if settings.direct else ("critique", "revise"))),
                critique=settings.model_dump(mode="json"),
            )
        trajectories = iter_records(folder, Trajectory)
        chosen = ((trajectory, selected(self.loaded, trajectory)) for trajectory in trajectories)
        dataset = sft_dataset(chosen, provenance)
        title = f"{self.loaded.recipe.name}: SFT"
        write_dataset(self.folder.sft_dataset, dataset, title=title, facts=self._facts)
        self._counts("SFT dataset", dataset.counts)

    async def train(self, method: MethodName) -> None:
        """Train by a method: all but SFT go on from the SL model, and need a judge that passes the gate."""
        given = self.training(method)
        if given.judged:
            require_fit(self.loaded, self.folder)
        from training.processes import shared

        self._make_room(method, given.out)
        shared(lambda: method)  # the other processes wait for this, in `follow`
        async with self._online_judge(method) as judge:
            with self._bar(method) as progress:
                trained = await asyncio.to_thread(
                    given.train,
                    card=self._facts() | self._judge_facts(method),
                    samples=self._sample_conversations(),
                    progress=progress,
                    judge=judge,
                )
        self.reporter.say(f"{method}: {_learnt(method, trained)}model in {trained.folder}")

    async def label(self) -> None:
        """Pairs of samples and of revisions, judged in both orders, and the datasets made of them."""
        settings = self.loaded.recipe.labeling
        if settings is None:
            raise RunError("the recipe has no `labeling` section; add one, or leave this stage out")
        self._made("critique", self.folder.trajectories, needs="critique")
        rows = candidates(self.loaded, StoredRecords(self.folder.trajectories, Trajectory))
        engines = self.loaded.judges
        if SAMPLED.intersection(settings.pairs):
            engines["policy"] = self._sl_model()
        async with self._engines(**engines) as context:
            program = labeler(self.loaded)
            folder = self.folder.comparisons
            await self._rows("label", program, rows, context, kind=Labelled, folder=folder, many=True)
            provenance = self._provenance(
                context,
                (*templates(settings.pairs), *program.judge.templates),
                labeling=settings.model_dump(mode="json"),
            )
        agreed = _Agreement(program.judge.method.ordered)
        labelled = agreed.counting(iter_records(self.folder.comparisons, Labelled))
        if self.loaded.recipe.audit is not None:
            self._made("audit", self.folder.audit, needs="audit")
        believed = Believing(settings, trust(self.loaded, self.folder))
        first = warning(self.loaded, self.folder)
        datasets = LabelDatasets(self.loaded, believed, self.folder, provenance, self.reporter, first)

        def facts() -> dict[str, str]:
            return self._facts() | self._labels_facts(settings)

        if "preferences" in settings.exports:
            pairs = preference_dataset(labelled, settings, provenance, trust=believed.trust)
            dataset = datasets.selected(pairs)
            write_dataset(
                self.folder.preferences,
                dataset,
                title=f"{self.loaded.recipe.name}: preferences",
                facts=lambda: facts() | {"agreement": str(agreed)} | datasets.people_facts(dataset.counts),
                warning=first,
            )
            self._counts("preference dataset", dataset.counts)
            self.reporter.say(str(agreed))
            for name, said in datasets.people_facts(dataset.counts).items():
                self.reporter.say(f"{name}: {said}")
        datasets.write_others(facts)

    async def evaluate(self) -> None:
        """Every model on the held-out prompts, and the report of before and after."""
        models = self._models()
        measurement = Measurement(self.loaded, models, self._asking, self.folder.evaluation, self.folder)
        found = await measurement.record()
        facts = {
            **self._facts(),
            **found.facts,
            **{f"seconds, {stage}": f"{seconds:.0f}" for stage, seconds in self.seconds.items()},
        }
        report_on(replace(found, facts=facts), [self.folder], self.folder.path, reporter=self.reporter)

    # What the stages share.

    def training(self, method: MethodName) -> Training:
        """What a method is to be given; `RunError` where that is not there."""
        settings = self.loaded.recipe.section(method)
        if settings is None:
            raise RunError(
                f"the recipe has no `{SECTIONS[method]}` section; add one, or leave this stage out"
            )
        online = self.loaded.online(method)
        if online is not None:
            settings = self._rewarded(online)
        return Training(
            method,
            self._learnt_from(method),
            self.loaded.assistant if method == "sft" else self._sl_model(),
            cast("TrainerSettings", settings),
            method in self.loaded.recipe.learns_from_judge,
            self.folder.model(method),
            self.loaded.recipe.seed,
        )

    def _sample_conversations(self) -> list[Conversation]:
        """A few held-out prompts of each kind, for the samples beside a trained model."""
        return [question.conversation for question in shown(self.loaded, each=3)]

    def _sl_model(self) -> ModelSettings:
        """The assistant after SFT, or as it is where the recipe has no SFT stage."""
        if self.loaded.recipe.training.sft is None:
            return self.loaded.assistant
        return self._trained("sft")

    def _learnt_from(self, method: MethodName) -> Iterable[Mapping[str, object]]:
        """The dataset that a method reads, if it is there, or the prompts that it answers."""
        online = self.loaded.online(method)
        if online is not None:
            return prompts_to_answer(self.loaded, online)
        if method == "sft":
            return imitated(self.loaded, self._revised())
        return StoredRows(self._made("label", self.folder.dataset(LEARN_FROM_LABELS[method]), needs="label"))

    def _revised(self) -> Iterable[Mapping[str, object]]:
        """The SFT dataset; none where the recipe has no prompts that are critiqued."""
        if self.loaded.data.red_team is None:
            return ()
        return StoredRows(self._made("critique", self.folder.sft_dataset, needs="critique"))

    def _rewarded(self, settings: OnlineSettings) -> OnlineSettings:
        """The settings with the folders of all reward models; the run's own has to be there."""
        folder = self.folder.model("reward")
        if settings.uses_run:
            self._made("reward", folder, needs="train reward")
        return settings.with_run(folder.resolve())

    @contextlib.asynccontextmanager
    async def _online_judge(self, method: MethodName) -> AsyncIterator[OnlineJudge | None]:
        """The recipe's judges, ready to be asked by a method while it trains; None where it asks nobody."""
        if method not in self.loaded.recipe.asks_online:
            yield None
            return
        if self.loaded.recipe.audit is not None:
            self._made("audit", self.folder.audit, needs="audit")
        loaded, begun = self.loaded, self.progress.stages[method]
        before = replace(begun.tally)
        async with self._engines(**loaded.judges) as context:
            yield OnlineJudge(
                Judge(loaded.constitution, loaded.prompts, loaded.labeling),
                replace(context, tally=begun.tally),
                asyncio.get_running_loop(),
                Believing(loaded.labeling, trust(loaded, self.folder)),
            )
        spent = begun.tally.since(before)
        self.reporter.say(f"{method}: {spent.asked} calls asked, {spent.found} found in the journal")

    def _trained(self, method: Stage) -> ModelSettings:
        """The assistant as a method left it."""
        return reached(self.loaded, self._made(method, self.folder.model(method), needs=f"train {method}"))

    def _made(self, stage: Stage, output: Path, *, needs: str) -> Path:
        """The output of an earlier stage, if it is there and of this recipe; else which command makes it."""
        if not output.exists():
            raise RunError(f"{output}: not there yet; run `solon {needs}` first")
        if not self.progress.is_done(stage, self._made_from(stage)):
            raise RunError(
                f"{output}: unfinished, or made from other inputs; run `solon {needs}` first, or `solon run`"
            )
        return output

    def _make_room(self, stage: Stage, out: Path) -> None:
        """Put a model that was trained from other inputs aside, its checkpoints too: they cost time."""
        partial = out.with_name(f"{out.name}.partial")
        if partial.exists() and self.progress.stages[stage].changed:
            self.reporter.say(f"{stage}: checkpoints of other inputs kept in {self._put_aside(partial)}")
        if out.exists():
            self.reporter.say(f"{stage}: the model of other inputs kept in {self._put_aside(out)}")
        self.progress.stages[stage].changed = False

    def _put_aside(self, out: Path) -> Path:
        number = 1
        while (kept := self.folder.earlier_models / f"{out.name}-{number}").exists():
            number += 1
        kept.parent.mkdir(parents=True, exist_ok=True)
        return out.rename(kept)

    def _models(self) -> list[Evaluated]:
        """The models to evaluate, base first; all that the recipe trains have to be there."""
        for stage in self.loaded.recipe.stages:
            if stage in POLICIES:
                self._trained(stage)
        return of_run(self.loaded, self.folder)

    @property
    def _asking(self) -> Asking:
        if self.journal is None:
            raise RunError("models are asked by the first process alone, which has the journal")
        return Asking(self.journal, self.progress, self.reporter, self.stop)

    def _engines(self, **roles: ModelSettings) -> AbstractAsyncContextManager[Context]:
        """Engines by role, and what their rows share."""
        return self._asking.engines(self.loaded.recipe.seed, **roles)

    async def _rows(
        self,
        name: str,
        program: Program[Row, Record] | Program[Row, Sequence[Record]],
        rows: SizedRows[Row],
        context: Context,
        *,
        kind: type[Record],
        folder: Path,
        many: bool = False,
    ) -> None:
        stage, _, part = name.partition(" ")
        inputs = self._made_from(cast("Stage", stage))
        work = Work(name, inputs, folder, kind, many, ends=bool(part))
        await self._asking.rows(work, program, rows, context)

    @contextlib.contextmanager
    def _bar(self, stage: str) -> Iterator[Callable[[TrainingProgress], None]]:
        begun = self.progress.stages[stage]
        with self.reporter.stage(stage) as bar:

            def show(progress: TrainingProgress) -> None:
                if self.stop.asked:
                    raise StoppedError(f"stopped after step {progress.step}")
                bar.move_to(progress.step, progress.total)
                loss = f"loss {progress.loss:.3f}" if progress.loss is not None else ""
                told = loss if progress.score is None else f"score {progress.score:.3f}"
                begun.note = f"{progress.phase} {told}".strip()
                bar.note(begun.note)
                begun.done, begun.total = progress.step, progress.total
                self.progress.tick(begun)

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
            "judge": _spelled(self.loaded.judge),
        }

    def _labels_facts(self, settings: LabelingSettings) -> dict[str, str]:
        """How the pairs were judged, and by whom."""
        judges = ", ".join(f"{role}: {_spelled(model)}" for role, model in self.loaded.judges.items())
        votes = "one principle" if settings.principles == 1 else f"{settings.principles} principles"
        votes = votes if METHODS[settings.method].by_principle else "no principle"
        return {
            "judge": judges,
            "labels": f"by method {settings.method}, {votes} to a pair",
            "audit of the judge": audit_fact(self.loaded, self.folder),
        }

    def _judge_facts(self, method: MethodName) -> dict[str, str]:
        """What a model's card says of whose labels it learnt from, or who judged while it did."""
        online = self.loaded.online(method)
        if online is not None:
            told = online.asks_judge or online.uses_run
            first = online_warning(self.loaded, self.folder, online)
        else:
            told, first = method in LEARN_FROM_LABELS, warning(self.loaded, self.folder)
        if not told:
            return {}
        asked = self._labels_facts(self.loaded.labeling) if online is not None and online.asks_judge else {}
        audit = {"audit of the judge": audit_fact(self.loaded, self.folder)}
        return asked | audit | ({"warning": first} if first else {})

    def _counts(self, name: str, counts: Mapping[str, int]) -> None:
        self.reporter.say(f"{name}: {told(counts)}")


@dataclass(slots=True)
class _Agreement:
    """How often both orders, and all votes, named the same response; fair coins would in half of the pairs.

    `ordered`: whether the responses were shown in an order at all.
    """

    ordered: bool
    pairs: int = 0
    same_response: int = 0
    voted: int = 0
    unanimous: int = 0

    def counting(self, labelled: Iterable[Labelled]) -> Iterator[Labelled]:
        """The pairs as they come, counted on their way."""
        for item in labelled:
            if item.comparison.identical:
                yield item
                continue
            self.pairs += 1
            self.same_response += item.judgment.agree
            self.voted += len(item.judgment.votes) > 1
            self.unanimous += len(item.judgment.votes) > 1 and item.judgment.unity == 1
            yield item

    def __str__(self) -> str:
        said = "responses were scored one by one, so no order can have biased the judge"
        if self.ordered:
            said = (
                f"the two orders named the same response in {_share(self.same_response, self.pairs)}, "
                "else the same position"
            )
        if not self.voted:
            return said
        return f"{said}; all votes were for the same response in {_share(self.unanimous, self.voted)}"


def _share(part: int, pairs: int) -> str:
    return f"{part} of {pairs} pairs ({100 * part / max(pairs, 1):.0f} %)"


def _spelled(model: ModelSettings) -> str:
    """A model in a card: an adapter makes it another one, wherever that lies."""
    return model.model if model.adapter is None else f"{model.model} with adapter {model.adapter.name}"


def _learnt(method: MethodName, trained: Trained) -> str:
    """What a method learned from and what came of it, and what was not learned from."""
    told = [f"{trained.rows} {_UNITS.get(LEARN_FROM_LABELS.get(method), 'rows')}, "]
    if "held_out_accuracy" in trained.metrics:
        share, pairs = trained.metrics["held_out_accuracy"], trained.metrics["held_out_pairs"]
        told.append(f"agrees with {100 * share:.0f} % of {pairs:.0f} held-out labels{_by_source(trained)}, ")
    if "weighted_balance" in trained.metrics:
        good, balance = trained.metrics["desirable"], trained.metrics["weighted_balance"]
        told.append(f"{good:.0f} of them good, which weigh {balance:.2f} times the bad, ")
    if "score" in trained.metrics:
        score, kl = trained.metrics["score"], trained.metrics["kl"]
        told.append(f"score {score:.3f} at {kl:.2f} nats from the reference, ")
    if trained.dropped:
        told.append(f"{len(trained.dropped)} left out ({reasons(trained.dropped)}), ")
    return "".join(told)


def _by_source(trained: Trained) -> str:
    """` (hard_negative 97 % of 37, revision 40 % of 15)`, where pairs have several sources."""
    shares = {
        name.partition("/")[
            2
        ]: f"{100 * value:.0f} % of {trained.metrics[name.replace('accuracy', 'pairs')]:.0f}"
        for name, value in trained.metrics.items()
        if name.startswith("held_out_accuracy/")
    }
    return f" ({', '.join(f'{source} {share}' for source, share in shares.items())})" if shares else ""
