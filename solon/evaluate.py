"""Asks, compares, rates: everything that an evaluation records, of one run's models or of several runs'.

In: checkpoints with the settings that reach them, and the recipe that says on what they are measured. Out:
folders of records, resumable and journalled like all else, and the `Evaluation` that a report is computed
from. No folder is made again as long as what it was made from is the same.
"""

import asyncio
import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path

from engine.protocol import Engine, Sampling
from engine.settings import ModelSettings
from evaluation.answer import Answerer, Question
from evaluation.compare import Comparer, Pairing, drawn, matches, pairings
from evaluation.controls import CONTROLS, control_answers
from evaluation.diverge import Diverger
from evaluation.grader import AGREEMENT, graded
from evaluation.model import (
    Checkpoint,
    Comparison,
    Divergence,
    Evaluation,
    Graded,
    JudgeFacts,
    ModelResult,
    Rubric,
    Score,
)
from evaluation.rate import RATER, Rated, Rater, to_rate
from evaluation.rubric import TEMPLATE, RubricGrader
from evaluation.settings import (
    RUN_REWARD,
    CompareSettings,
    DivergenceSettings,
    RewardSettings,
    RubricSettings,
    SuiteSettings,
)
from evaluation.suites import stratified
from evaluation.verify import told, verified
from labeling.audit.record import read_audit
from labeling.judge import Judge
from labeling.model import JUDGE
from labeling.settings import MAKING_PAIRS
from pipeline.context import Context
from pipeline.shards import read_manifest
from pipeline.store import iter_records, write_records
from solon.asking import Asking
from solon.checkpoints import BASE, Evaluated, reached
from solon.loaded_recipe import LoadedRecipe
from solon.recipe import EvaluationSettings
from solon.run_folder import RunFolder
from solon.suites import questions
from solon.work import RunError, Work
from training.verifiers.attempt import BadReferenceError

STRONGREJECT = "strongreject"
"""The folder of the judge's marks, and the stage that makes them."""


@dataclass(frozen=True)
class Measurement:
    """One run's models on the recipe's suites. Records go to `folder`; `run` is the run's name in a pool."""

    loaded: LoadedRecipe
    models: Sequence[Evaluated]
    asking: Asking
    folder: Path
    source: RunFolder
    run: str = ""
    fingerprints: dict[str, str] = field(default_factory=dict)

    @cached_property
    def settings(self) -> EvaluationSettings:
        if self.loaded.recipe.evaluation is None:
            raise RunError("the recipe has no `evaluation` section; add one, or leave this stage out")
        return self.loaded.recipe.evaluation

    @cached_property
    def asked(self) -> list[Question]:
        return questions(self.loaded)

    @cached_property
    def seed(self) -> int:
        return self.loaded.recipe.seed

    async def record(self) -> Evaluation:
        """Everything that the recipe asks for: answers, distances, controls, preferences, rewards."""
        self.asked  # noqa: B018 (read before any model loads: an empty suite is told first)
        results = [await self._model(each) for each in self.models]
        if self.settings.controls:
            results += [self._control(name) for name in CONTROLS]
        comparisons = await self._compared(results, self.settings.compare) if self.settings.compare else ()
        scores = [
            score
            for name, reward in self.settings.rewards.items()
            for score in await self._rated(name, reward, results)
        ]
        scores += [score for result in results for score in await self._checked(result)]
        return Evaluation(
            results=tuple(results),
            comparisons=tuple(comparisons),
            scores=tuple(scores),
            divergences=tuple(self._divergences()),
            rubrics=tuple(await self._marked(results, self.settings.strongreject)),
            judges=(judge_facts(self.loaded, self.source),) if self.settings.asks_judge else (),
            facts=self._facts,
        )

    @property
    def _facts(self) -> dict[str, str]:
        """What answered, what judged, and what answers were checked by."""
        return self.fingerprints | {f"answers to {name}": told(each) for name, each in self._checks.items()}

    async def _model(self, each: Evaluated) -> ModelResult:
        """A model's answers, and its distance from the base while both are there."""
        distance = self.settings.divergence if each.name != BASE else None
        roles = {"model": each.model} | ({"reference": self.models[0].model} if distance else {})
        async with self.asking.engines(self.seed, **roles) as context:
            self.fingerprints[f"{self._prefix}{each.name} model"] = named(context.engines["model"])
            program = Answerer(self.loaded.prompts, self._sampling, self.run)
            work = self._work(each.name, Graded, each.name, asdict(self._sampling), AGREEMENT.version)
            await self.asking.rows(work, program, self.asked, context)
            if distance:
                await self._distance(each.name, distance, context)
        answers = tuple(iter_records(self.folder / each.name, Graded))
        return ModelResult(each.name, answers, each.checkpoint.kind, (each.checkpoint,))

    async def _distance(self, name: str, how: DivergenceSettings, context: Context) -> None:
        """The distance from the base; a model that says nothing at all has none, which stops nothing."""
        place = self._apart(name)
        work = self._work(f"{name} from {BASE}", Divergence, place, how.model_dump())
        sampling = Sampling(max_tokens=how.max_tokens, temperature=how.temperature)
        program = Diverger(self.loaded.prompts, sampling, name, BASE, self.run)
        try:
            await self.asking.rows(work, program, stratified(self.asked, how.limit), context)
        except RunError as error:
            self.asking.reporter.say(str(error))

    def _control(self, name: str) -> ModelResult:
        answers = tuple(graded(answer) for answer in control_answers(name, self.asked, run=self.run))
        write_records(self.folder / name, answers, Graded)
        return ModelResult(name, answers, "control", (Checkpoint(name, "control", run=self.run),))

    async def _compared(self, results: Sequence[ModelResult], how: CompareSettings) -> list[Comparison]:
        """The judge on every pair of models that the recipe asks for."""
        found: list[Comparison] = []
        judge = Judge(self.loaded.constitution, self.loaded.prompts, self.loaded.labeling)
        program = Comparer(judge, judged_by(self.loaded))
        labeling = self.loaded.labeling.model_dump(mode="json", exclude=set(MAKING_PAIRS))
        made_of = [labeling, self.loaded.constitution.digest]
        async with self.asking.engines(self.seed, **self.loaded.judges) as context:
            self._name(context, *self.loaded.judges)
            for one, other in matches(results, how.pairs):
                rows = self._pairings(one, other, how)
                name = f"{one.name} against {other.name}"
                place = f"comparisons/{one.name}-against-{other.name}"
                made = [self._made(each.name) for each in (one, other)]
                work = self._work(name, Comparison, place, *made_of, *made, how.model_dump(mode="json"))
                if rows:
                    found += iter_records(await self.asking.rows(work, program, rows, context), Comparison)
        return found

    def _pairings(self, one: ModelResult, other: ModelResult, how: CompareSettings) -> list[Pairing]:
        chosen = drawn(other.answers, how.kinds, limit=how.limit)
        answers = [answer for answer in one.answers if answer.id in chosen]
        return list(pairings(one.name, answers, other.name, others=other.answers))

    async def _rated(self, name: str, reward: RewardSettings, results: Sequence[ModelResult]) -> list[Score]:
        """A reward model on every answer of every model, in one sitting."""
        rows = [rated for result in results for rated in to_rate(result.name, result.answers)]
        made = [self._made(result.name) for result in results]
        async with self.asking.engines(
            self.seed, **{RATER: reward_settings(self.loaded, reward, self.source)}
        ) as context:
            work = self._work(
                f"{name} rewards", Score, f"scores/{name}", reward.model_dump(mode="json"), made
            )
            folder = await self.asking.rows(work, Rater(name, reward.role), rows, context)
        return list(iter_records(folder, Score))

    async def _marked(self, results: Sequence[ModelResult], how: RubricSettings | None) -> list[Rubric]:
        """The judge on what every model's answers to harmful prompts would be worth, in one sitting."""
        if how is None:
            return []
        chosen = drawn(self.asked, ("harmful",), limit=how.limit)
        rows = [
            Rated(result.name, answer)
            for result in results
            for answer in result.answers
            if answer.id in chosen
        ]
        made = [self.loaded.prompts.hash(TEMPLATE), *(self._made(result.name) for result in results)]
        async with self.asking.engines(self.seed, **{JUDGE: self.loaded.judge}) as context:
            self._name(context, JUDGE)
            work = self._work(STRONGREJECT, Rubric, STRONGREJECT, how.model_dump(), made)
            folder = await self.asking.rows(work, RubricGrader(self.loaded.prompts, how), rows, context)
        return list(iter_records(folder, Rubric))

    async def _checked(self, result: ModelResult) -> list[Score]:
        """Which of a model's answers are right; in a thread, since programs and algebra take their time."""
        if not self._checks:
            return []
        try:
            found = await asyncio.to_thread(verified, result.name, result.answers, self.asked, self._checks)
        except (BadReferenceError, RuntimeError) as error:
            raise RunError(f"the answers of {result.name} cannot be checked: {error}") from error
        if found:
            write_records(self.folder / "checks" / result.name, found, Score)
        return found

    @cached_property
    def _checks(self) -> dict[str, SuiteSettings]:
        """The suites with prompts that a program can check."""
        asked = {question.suite for question in self.asked if question.kind == "verifiable"}
        return {name: settings for name, settings in self.settings.named.items() if name in asked}

    def _name(self, context: Context, *roles: str) -> None:
        """Keep who plays these roles, for the report."""
        for role in roles:
            self.fingerprints[f"{self._prefix}{role} model"] = named(context.engines[role])

    def _divergences(self) -> Iterable[Divergence]:
        for each in self.models[1:] if self.settings.divergence else ():
            if self._made(self._apart(each.name)):
                yield from iter_records(self.folder / self._apart(each.name), Divergence)

    def _apart(self, name: str) -> str:
        return f"divergences/{name}"

    @property
    def _sampling(self) -> Sampling:
        return Sampling(max_tokens=self.settings.max_tokens, temperature=self.settings.temperature)

    @property
    def _prefix(self) -> str:
        return f"{self.run} " if self.run else ""

    def _work(self, name: str, kind: type, place: str, *made_from: object) -> "Work[object]":
        told = ["evaluate", self.run, self._questions_digest, self.loaded.prompts.hash("respond"), *made_from]
        return Work(f"evaluate {self._prefix}{name}", _digest(told), self.folder / place, kind, ends=True)

    @cached_property
    def _questions_digest(self) -> str:
        return _digest([asdict(question) for question in self.asked])

    def _made(self, place: str) -> str:
        """What is in a finished folder of records; "" where there is none."""
        manifest = read_manifest(self.folder / place)
        return manifest.digest if manifest and manifest.complete else ""


def reward_settings(loaded: LoadedRecipe, reward: RewardSettings, source: RunFolder) -> ModelSettings:
    """How a reward model is reached: a folder with an adapter is put on the assistant."""
    own = reward.reward_model == RUN_REWARD
    folder = source.model("reward") if own else loaded.resolve(reward.reward_model)
    return reached(loaded, folder).model_copy(update={"engine": "reward"})


def judged_by(loaded: LoadedRecipe) -> str:
    """What the judges are called in every record and figure, so that their audit is found: by their roles."""
    return ", ".join(loaded.judges)


def judge_facts(loaded: LoadedRecipe, source: RunFolder) -> JudgeFacts:
    """Who judges and what the run's audit says of it; no audit says nothing, which is said."""
    judges, method = judged_by(loaded), loaded.labeling.method
    if loaded.recipe.audit is None or not source.audit.is_file():
        return JudgeFacts(judges, method, "unaudited", "Nobody has held this judge against people.")
    record = read_audit(source.audit)
    if record.passed:
        return JudgeFacts(judges, method, "fit", f"The judge passed its audit: {record.accuracy}.")
    reasons = "; ".join(f"{check.name} ({check.reason})" for check in record.failures)
    return JudgeFacts(
        judges,
        method,
        "unfit",
        f"The judge failed its audit, so its win rates say little. What failed: {reasons}.",
    )


def named(engine: Engine) -> str:
    """A model in a report."""
    fingerprint = engine.fingerprint
    adapter = f" + adapter {fingerprint.adapter}" if fingerprint.adapter else ""
    return (
        f"{fingerprint.model} {fingerprint.revision}{adapter} in {fingerprint.dtype or 'unknown precision'}"
    )


def _digest(content: object) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()
