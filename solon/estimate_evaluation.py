"""What an evaluation will cost: answers, distances, comparisons and rewards, from a few prompts of each.

In: a recipe, and the sample that asks. Out: a `StageEstimate` for each stage that `solon.evaluate` has, by
the same names. The base and the controls are there already, so what is asked of them is what the run asks.
A model that is not trained yet is stood in for by the assistant: its answers are as long, its distance takes
as many tokens, and beside the base's answer to a prompt stands one to another prompt. Checkpoints on the way,
whose number is not known, are not counted.
"""

from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from engine.protocol import Sampling, Score
from evaluation.answer import Question
from evaluation.compare import Comparer, drawn, matches, pairings
from evaluation.controls import CONTROLS, control_answers
from evaluation.diverge import Diverger
from evaluation.model import Answer, Checkpoint, Graded, SuiteKind
from evaluation.rate import RATER, Rated, Rater, to_rate
from evaluation.rubric import RubricGrader
from evaluation.settings import (
    RUN_REWARD,
    CompareSettings,
    DivergenceSettings,
    RewardSettings,
    RubricSettings,
)
from evaluation.suites import stratified
from labeling.judge import Judge
from pipeline.context import Context, RowContext
from pipeline.runner import Outcome
from prompts.message import Prompt
from solon.checkpoints import BASE
from solon.estimated import StageEstimate
from solon.evaluate import STRONGREJECT, judged_by, reward_settings
from solon.loaded_recipe import LoadedRecipe
from solon.programs import answerer
from solon.recipe import EvaluationSettings
from solon.run_folder import RunFolder
from solon.sample import Sample
from solon.stage import POLICIES
from solon.suites import questions
from solon.work import RunError


@dataclass
class Evaluating:
    """The estimate of a recipe's evaluation, in two parts; the second rates the answers of the first."""

    loaded: LoadedRecipe
    sample: Sample
    out: Path
    answers: Sequence[Answer] = ()

    async def answers_and_comparisons(self, context: Context) -> list[StageEstimate]:
        """What is asked of the roles `model`, `reference` and the judges'."""
        settings = self._settings
        base = await self._answers(context)
        stages = [base, *(_like(base, f"evaluate {name}") for name in self._trained)]
        if settings.divergence:
            stages += await self._distances(settings.divergence, context)
        if settings.compare:
            stages += await self._comparisons(settings.compare, context)
        if settings.strongreject:
            stages.append(await self._marks(settings.strongreject, context))
        return stages

    async def rewards(self) -> list[StageEstimate]:
        """What every reward model is asked, one after the other; nothing where there are none."""
        if self.loaded.recipe.evaluation is None:
            return []
        return [await self._rewards(name, reward) for name, reward in self._settings.rewards.items()]

    @property
    def _settings(self) -> EvaluationSettings:
        """Raises `RunError` where the recipe has no such section."""
        if self.loaded.recipe.evaluation is None:
            raise RunError("the recipe has no `evaluation` section")
        return self.loaded.recipe.evaluation

    @cached_property
    def _asked(self) -> list[Question]:
        return questions(self.loaded)

    @property
    def _trained(self) -> list[str]:
        return [stage for stage in POLICIES if stage in self.loaded.recipe.stages]

    @property
    def _controls(self) -> list[str]:
        return list(CONTROLS) if self._settings.controls else []

    async def _answers(self, context: Context) -> StageEstimate:
        """The base's; of those that a judge is shown as many as the sample has."""
        program, name = answerer(self.loaded), f"evaluate {BASE}"
        told, base = await self.sample.measure(name, program, self._asked, context, again=True)
        self.answers = _given(told)
        for chosen in self._judged:
            known = {answer.id for answer in self.answers}
            left = [question for question in chosen if question.id not in known]
            lacking = self.sample.size - (len(chosen) - len(left))
            if left and lacking > 0:
                more = replace(self.sample, size=lacking)
                told, extra = await more.measure(name, program, left, context, again=True)
                base = replace(base, again=base.again + extra.again)
                self.answers = [*self.answers, *_given(told)]
        return base

    @property
    def _judged(self) -> list[list[Question]]:
        """The prompts whose answers a judge is shown, for each thing that it is asked."""
        compare, rubric = self._settings.compare, self._settings.strongreject
        found = [self._drawn(compare.kinds, compare.limit)] if compare else []
        return [*found, *([self._drawn(("harmful",), rubric.limit)] if rubric else [])]

    def _drawn(self, kinds: Sequence[SuiteKind], limit: int | None) -> list[Question]:
        chosen = drawn(self._asked, kinds, limit=limit)
        return [question for question in self._asked if question.id in chosen]

    async def _distances(self, how: DivergenceSettings, context: Context) -> list[StageEstimate]:
        names = [f"evaluate {name} from {BASE}" for name in self._trained]
        if not names:
            return []
        sampling = Sampling(max_tokens=how.max_tokens, temperature=how.temperature)
        program = Diverger(self.loaded.prompts, sampling, names[0], BASE)
        rows = stratified(self._asked, how.limit)
        _, one = await self.sample.measure(names[0], program, rows, context, again=False)
        return [_like(one, name) for name in names]

    async def _comparisons(self, how: CompareSettings, context: Context) -> list[StageEstimate]:
        """Every control's as they are; of the trained models the first one's, by its stand-in."""
        chosen = self._drawn(how.kinds, how.limit)
        ids = {question.id for question in chosen}
        base = [answer for answer in self.answers if answer.id in ids]
        judge = Judge(self.loaded.constitution, self.loaded.prompts, self.loaded.labeling)
        program = Comparer(judge, judged_by(self.loaded))

        async def against_base(name: str, its: Sequence[Answer]) -> StageEstimate:
            rows, again = list(pairings(name, its, BASE, others=base)), name in self._controls
            stage = f"evaluate {name} against {BASE}"
            measured = self.sample.measure(stage, program, rows, context, again=again, total=len(chosen))
            return (await measured)[1]

        found = {name: await against_base(name, control_answers(name, chosen)) for name in self._controls}
        if self._trained:
            one = await against_base(self._trained[0], _to_others(base))
            found |= dict.fromkeys(self._trained, one)
        return [
            replace(found[one.name], name=f"evaluate {one.name} against {other.name}")
            for one, other in matches(self._models, how.pairs)
        ]

    @property
    def _models(self) -> list[Checkpoint]:
        trained = [Checkpoint(name, "model") for name in self._trained]
        return [Checkpoint(BASE, "base"), *trained, *(Checkpoint(name, "control") for name in self._controls)]

    async def _marks(self, how: RubricSettings, context: Context) -> StageEstimate:
        """The judge's marks of answers to harmful prompts."""
        ids = {question.id for question in self._drawn(("harmful",), how.limit)}
        program, stage = RubricGrader(self.loaded.prompts, how), f"evaluate {STRONGREJECT}"
        return await self._of_all(stage, program, ids, context, again=True)

    async def _of_all(
        self,
        stage: str,
        program: Callable[[Rated, RowContext], Awaitable[object]],
        ids: Collection[str],
        context: Context,
        *,
        again: bool,
    ) -> StageEstimate:
        """What rates single answers: those of models, and those of controls, which are other texts."""
        asked = [question for question in self._asked if question.id in ids]
        its = [answer for answer in self.answers if answer.id in ids]
        known = [question for question in asked if question.id in {answer.id for answer in its}]
        said = to_rate(BASE, its)
        by_controls = [one for name in self._controls for one in to_rate(name, control_answers(name, known))]
        share = len(said) / max(len(its), 1)
        total = round(share * len(asked) * (1 + len(self._trained)))
        _, models = await self.sample.measure(stage, program, said, context, again=again, total=total)
        if not by_controls:
            return models
        total = len(asked) * len(self._controls)
        _, controls = await self.sample.measure(
            stage, program, by_controls, context, again=again, total=total
        )
        return _together(models, controls)

    async def _rewards(self, name: str, reward: RewardSettings) -> StageEstimate:
        """Of all answers; the assistant reads them where the reward model is yet to be trained."""
        folder = RunFolder(self.out)
        there = reward.reward_model != RUN_REWARD or folder.model("reward").is_dir()
        program = Rater(name, reward.role) if there else _read
        roles = {RATER: reward_settings(self.loaded, reward, folder) if there else self.loaded.assistant}
        async with self.sample.engines(roles) as context:
            ids = {question.id for question in self._asked}
            return await self._of_all(f"evaluate {name} rewards", program, ids, context, again=there)


async def _read(rated: Rated, context: RowContext) -> Score:
    """What a reward model of the assistant's size does with an answer: one forward pass over it."""
    asked = Prompt(template="", template_hash="", messages=rated.answer.conversation)
    return await context.score(RATER, asked, rated.answer.response)


def _given(told: Sequence[Outcome[Graded]]) -> list[Answer]:
    return [outcome.record.answer for outcome in told if outcome.record is not None]


def _to_others(answers: Sequence[Answer]) -> list[Answer]:
    """Each prompt with the next one's answer, as another model's of such length."""
    return [
        replace(answer, response=other.response, completion_tokens=other.completion_tokens)
        for answer, other in zip(answers, [*answers[1:], *answers[:1]], strict=True)
    ]


def _like(one: StageEstimate, name: str) -> StageEstimate:
    """The same of another model, whose answers the run will not find."""
    return replace(one, name=name, again=0)


def _together(one: StageEstimate, other: StageEstimate) -> StageEstimate:
    """Two parts of one stage."""
    counts = ("rows", "sample", "calls", "prompt_tokens", "completion_tokens", "seconds", "again")
    return replace(one, **{name: getattr(one, name) + getattr(other, name) for name in counts})
