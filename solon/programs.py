"""A recipe's row programs and the rows they run over: what a run does, and an estimate does a little of.

In: a `LoadedRecipe`. Out: the programs of the stages that ask models, and their rows.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from heapq import nsmallest

from constitution.model import Constitution
from critique.model import Request, Trajectory
from critique.revise import Reviser
from critique.select import Selected, select
from engine.protocol import Sampling
from evaluation.answer import Answerer
from labeling.draw import Candidate, Drawn
from labeling.helpfulness import making_share
from labeling.judge import Judge
from labeling.pairs import Labeler
from pipeline.context import derived_seed
from prompts.message import as_dicts
from solon.inputs import check_apart, check_disjoint, check_requests, iter_requests
from solon.loaded_recipe import LoadedRecipe
from solon.suites import held_out
from solon.work import RunError
from training.settings import OnlineSettings


def reviser(loaded: LoadedRecipe) -> Reviser:
    return Reviser(loaded.constitution, loaded.prompts, loaded.recipe.critique)


def labeler(loaded: LoadedRecipe) -> Labeler:
    """Raises `RunError` where the recipe has no `labeling` section."""
    settings = loaded.recipe.labeling
    if settings is None or not settings.pairs:
        raise RunError("the recipe has no `labeling` section; add one, or leave this stage out")
    return Labeler(Judge(loaded.constitution, loaded.prompts, settings))


def answerer(loaded: LoadedRecipe, *, run: str = "") -> Answerer:
    """Raises `RunError` where the recipe has no `evaluation` section."""
    settings = loaded.recipe.evaluation
    if settings is None:
        raise RunError("the recipe has no `evaluation` section; add one, or leave this stage out")
    sampling = Sampling(max_tokens=settings.max_tokens, temperature=settings.temperature)
    return Answerer(loaded.prompts, sampling, run)


@dataclass(frozen=True, slots=True)
class TrainingRequests:
    """The prompts to learn from, red-team ones first: read anew each time they are gone through."""

    loaded: LoadedRecipe
    count: int

    def __len__(self) -> int:
        return self.count

    def __iter__(self) -> Iterator[Request]:
        data, base = self.loaded.data, self.loaded.folder
        if data.red_team is not None:
            yield from iter_requests(data.red_team, "red_team", base=base)
        if data.helpful is not None:
            yield from iter_requests(data.helpful, "helpful", base=base)


def training_requests(loaded: LoadedRecipe) -> TrainingRequests:
    """The prompts to learn from; `InputError` where they cannot be used, or some are held out."""
    data, base = loaded.data, loaded.folder
    if data.red_team is None:
        return TrainingRequests(loaded, 0)
    count = check_requests(data.red_team, "red_team", base=base)
    if data.helpful is not None:
        count += check_requests(data.helpful, "helpful", base=base)
        red_team = iter_requests(data.red_team, "red_team", base=base)
        helpful = iter_requests(data.helpful, "helpful", base=base)
        check_apart(red_team, helpful, names=("data.red_team", "data.helpful"))
    requests = TrainingRequests(loaded, count)
    if loaded.recipe.evaluation is not None:
        check_disjoint(requests, held_out(loaded))
    return requests


@dataclass(frozen=True, slots=True)
class PromptsToAnswer:
    """Rows with `prompt` for online methods, and what other columns they have: those of `data.prompts`, or
    all red-team prompts, and helpful ones drawn by the seed.

    `last` is the largest number of a helpful prompt that is drawn; -1 where none is.
    """

    loaded: LoadedRecipe
    last: int

    def __iter__(self) -> Iterator[dict[str, object]]:
        data, base = self.loaded.data, self.loaded.folder
        source = data.prompts or data.red_team
        if source is not None:
            yield from map(_asked, iter_requests(source, "red_team", base=base))
        for request in _helpful(self.loaded):
            if _number(self.loaded, request) <= self.last:
                yield _asked(request)


def _asked(request: Request) -> dict[str, object]:
    columns = json.loads(request.columns) if request.columns else {}
    return {**columns, "prompt": as_dicts(request.conversation)}


def prompts_to_answer(loaded: LoadedRecipe, settings: OnlineSettings) -> PromptsToAnswer:
    """As many helpful prompts as make `helpful_share` of all, or as many as there are."""
    source = loaded.data.red_team
    if loaded.data.prompts is not None or source is None:
        return PromptsToAnswer(loaded, -1)
    red_team = check_requests(source, "red_team", base=loaded.folder)
    wanted = making_share(settings.helpful_share, red_team)
    drawn = nsmallest(wanted, (_number(loaded, request) for request in _helpful(loaded)))
    return PromptsToAnswer(loaded, drawn[-1] if drawn else -1)


def _helpful(loaded: LoadedRecipe) -> Iterator[Request]:
    source = loaded.data.helpful
    return iter(()) if source is None else iter_requests(source, "helpful", base=loaded.folder)


def _number(loaded: LoadedRecipe, request: Request) -> int:
    return derived_seed(loaded.recipe.seed, "online", request.id)


def candidates(loaded: LoadedRecipe, trajectories: Iterable[Trajectory]) -> Drawn:
    """The rows to make pairs of; the trajectories are gone through anew each time that these are."""
    settings = labeler(loaded).judge.settings
    return Drawn(_Candidates(loaded, trajectories), settings, seed=loaded.recipe.seed)


@dataclass(frozen=True, slots=True)
class _Candidates:
    loaded: LoadedRecipe
    trajectories: Iterable[Trajectory]

    def __iter__(self) -> Iterator[Candidate]:
        for trajectory in self.trajectories:
            yield candidate(self.loaded, trajectory, self.loaded.constitution)


def candidate(loaded: LoadedRecipe, trajectory: Trajectory, constitution: Constitution) -> Candidate:
    """A trajectory with the answer to learn from, if selection kept it: the last revision, or the first
    helpful sample. The constitution is the one that it was made with.
    """
    answers = select(trajectory, constitution, loaded.recipe.critique.selection)
    answer = answers[-1] if trajectory.rounds else answers[0]
    return Candidate(trajectory, answer.answer if answer.kept else None)


def selected(loaded: LoadedRecipe, trajectory: Trajectory) -> list[Selected]:
    return select(trajectory, loaded.constitution, loaded.recipe.critique.selection)
