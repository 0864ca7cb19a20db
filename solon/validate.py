"""Everything that can be found wrong before a model is loaded, all of it at once.

In: a `LoadedRecipe` and the run's folder. Out: one text for each problem, none where the run can start.
`solon validate` prints them, and every stage command asks first.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path

from constitution.document import DocumentError, nearest
from critique.model import Kind, Request
from labeling.audit.model import HumanPair
from labeling.dataset import HELPFULNESS
from labeling.judge import METHODS
from labeling.model import JUDGE
from labeling.pair_settings import Export
from prompts.render import PromptError
from solon.audit import audit_pairs
from solon.demonstrations import iter_asked
from solon.errors import BadInputError
from solon.evaluation_problems import evaluation_problems
from solon.inputs import check_apart, check_disjoint, check_requests, iter_requests
from solon.label_datasets import comparisons_by_people
from solon.loaded_recipe import LoadedRecipe
from solon.models import model_problems
from solon.online_problems import check_references, online_problems
from solon.run_folder import RunFolder, objection_to
from solon.stage import LEARN_FROM_LABELS, ONLINE, SECTIONS, Stage
from solon.suites import held_out, suite_problems
from training.settings import TrainerSettings
from training.trackers import lacking

KINDS: Mapping[str, Kind] = {
    "data.red_team": "red_team",
    "data.helpful": "helpful",
    "data.prompts": "helpful",
}
"""What the rows of each of a recipe's sources are that are learned from."""

DEMONSTRATIONS = "data.demonstrations"

_WITH: Mapping[Export, str] = {
    "preferences": "{}",
    "unpaired": "{exports: [preferences, unpaired]}",
    "ranked": "{pairs: [samples, best_of_n], exports: [preferences, ranked]}",
}
"""A smallest section of labeling that makes an export."""


def problems(loaded: LoadedRecipe, out: Path, *, accept_changes: bool = False) -> list[str]:
    """Why the run cannot start in the folder `out`; empty where it can. Loads no model, writes nothing."""
    found = [
        *_constitution_problems(loaded),
        *_template_problems(loaded),
        *_data_problems(loaded),
        *_plan_problems(loaded),
        *_audit_problems(loaded, out),
        *_model_problems(loaded),
        *evaluation_problems(loaded),
    ]
    # The folder is compared by what the files hold: worth doing only where all of them can be read.
    return found or [text for text in (objection_to(out, loaded, accept_changes=accept_changes),) if text]


def require_sound(loaded: LoadedRecipe, out: Path, *, accept_changes: bool = False) -> None:
    """Raises `BadInputError` with all problems, where there are any."""
    found = problems(loaded, out, accept_changes=accept_changes)
    if found:
        count = f"\n\n{len(found)} problems" if len(found) > 1 else ""
        raise BadInputError("\n\n".join(found) + count)


def _constitution_problems(loaded: LoadedRecipe) -> Iterator[str]:
    try:
        constitution = loaded.constitution
    except DocumentError as error:
        yield str(error)
        return
    drawn = [principle for principle in constitution.principles if principle.weight > 0]
    if "critique" in loaded.recipe.stages and not any(principle.can_revise for principle in drawn):
        yield _lacking(loaded, "critique and revision requests", "critique and revision")
    asks = METHODS[loaded.labeling.method].by_principle or "contrast" in loaded.labeling.pairs
    if not (loaded.judges and asks):
        return
    if not any(principle.can_compare for principle in drawn):
        yield _lacking(loaded, "a comparison question", "labeling")
    elif lacking := METHODS[loaded.labeling.method].lacks(constitution):
        yield f"constitution {loaded.recipe.constitution}: {lacking}"


def _lacking(loaded: LoadedRecipe, what: str, use: str) -> str:
    name = loaded.recipe.constitution
    return f"constitution {name}: no principle with a weight above 0 has {what}; {use} needs one that has"


def _template_problems(loaded: LoadedRecipe) -> list[str]:
    try:
        return loaded.prompts.problems()
    except PromptError as error:
        return [str(error)]


def _data_problems(loaded: LoadedRecipe) -> list[str]:
    """Every row of every source is looked at; only the held-out ones are kept, which are few."""
    found: list[str] = []
    for place, kind in KINDS.items():
        if place in loaded.sources:
            try:
                check_requests(loaded.sources[place], kind, base=loaded.folder)
            except DocumentError as error:
                found.append(f"{place}: {error}")
    found += [text for text in (_demonstration_problem(loaded),) if text]
    found += suite_problems(loaded)
    try:
        comparisons = [_as_request(pair) for pair in comparisons_by_people(loaded).pairs]
    except DocumentError as error:
        found.append(f"labeling.helpfulness: {error}")
        comparisons = []
    return found or [text for check in _checks(loaded, comparisons) for text in _refusal(check)]


def _demonstration_problem(loaded: LoadedRecipe) -> str:
    try:
        for _ in _demonstrated(loaded):
            pass
    except DocumentError as error:
        return f"{DEMONSTRATIONS}: {error}"
    return ""


def _demonstrated(loaded: LoadedRecipe) -> Iterator[Request]:
    source = loaded.sources.get(DEMONSTRATIONS)
    return iter(()) if source is None else iter_asked(source, base=loaded.folder)


def _as_request(pair: HumanPair) -> Request:
    return Request(f"{HELPFULNESS}/{pair.id}", "helpful", pair.conversation)


def _checks(loaded: LoadedRecipe, comparisons: Sequence[Request]) -> Iterator[Callable[[], None]]:
    def requests(*places: str) -> Iterator[Request]:
        for place in places:
            if place in loaded.sources:
                yield from iter_requests(loaded.sources[place], KINDS[place], base=loaded.folder)

    learnt = ("data.red_team", "data.helpful")
    told = [*learnt, "data.prompts"]
    yield lambda: check_apart(requests(learnt[0]), requests(learnt[1]), names=learnt)
    learned = (requests(*told), comparisons, _demonstrated(loaded))
    yield lambda: check_disjoint(chain.from_iterable(learned), held_out(loaded))
    for stage in ONLINE:
        yield lambda stage=stage: check_references(loaded, stage)


def _refusal(check: Callable[[], None]) -> list[str]:
    try:
        check()
    except DocumentError as error:
        return [str(error)]
    return []


def _plan_problems(loaded: LoadedRecipe) -> Iterator[str]:
    """Sections that each are in order and do not go together."""
    recipe = loaded.recipe
    trained = [stage for stage in ("sft", *LEARN_FROM_LABELS, *ONLINE) if stage in recipe.stages]
    if trained and recipe.models.assistant.engine != "transformers":
        yield (
            f"{loaded.path}: `training` has {' and '.join(trained)}, and the assistant's engine is "
            f"`{recipe.models.assistant.engine}`: only a model that answers in this process can be trained\n"
            "  next: set `models.assistant.engine: transformers`, or leave `training` out"
        )
    for stage in recipe.trained_on_labels:
        yield from _lacking_labels(loaded, stage)
    yield from _prompt_problems(loaded)
    for stage in ONLINE:
        yield from online_problems(loaded, stage)
    yield from _tracker_problems(loaded)
    yield from _judge_problems(loaded)
    yield from _rating_problems(loaded)


def _lacking_labels(loaded: LoadedRecipe, stage: Stage) -> Iterator[str]:
    """A stage that learns from labels of which there are none, or not in the form that it reads."""
    labeling, section, export = loaded.recipe.labeling, SECTIONS[stage], LEARN_FROM_LABELS[stage]
    if not labeling or not labeling.pairs:
        yield (
            f"{loaded.path}: `{section}` learns from labels, and the recipe has no `labeling` to make any\n"
            f"  next: add `labeling: {_WITH[export]}`, or leave `{section}` out"
        )
    elif export not in labeling.exports:
        yield (
            f"{loaded.path}: `{section}` learns from `data/{export}`, which `labeling.exports` leaves out\n"
            f"  next: add `{export}` to it, or leave `{section}` out"
        )


def _tracker_problems(loaded: LoadedRecipe) -> Iterator[str]:
    """Trackers whose package is not there, which would end a run after what comes before training."""
    for stage in loaded.recipe.stages:
        settings = loaded.recipe.section(stage)
        if isinstance(settings, TrainerSettings) and (missing := lacking(settings.report_to)):
            what, step = missing.split("\n", 1)
            yield f"{loaded.path}: `{SECTIONS[stage]}`: {what}\n  next: {step.removeprefix('run: ')}"


def _prompt_problems(loaded: LoadedRecipe) -> Iterator[str]:
    """Stages that learn from what the recipe has none of, and demonstrations that nobody learns from."""
    data = loaded.recipe.data
    if data is None:
        return
    sft = loaded.recipe.training.sft
    if data.demonstrations is not None and sft is None:
        yield (
            f"{loaded.path}: `{DEMONSTRATIONS}` are learned from by SFT, and the recipe has none\n"
            f"  next: add `training.sft: {{}}`, or leave `{DEMONSTRATIONS}` out"
        )
    if sft is not None and sft.helpful_share and data.helpful is None:
        yield (
            f"{loaded.path}: `{SECTIONS['sft']}.helpful_share` asks for helpful samples, and there are none\n"
            "  next: add `data.helpful`, or leave helpful_share out"
        )
    lacking = {"sft": not (data.red_team or data.demonstrations), "label": not data.red_team}
    for stage in ("sft", "label"):
        if stage in loaded.recipe.stages and lacking[stage]:
            also = f", or `{DEMONSTRATIONS}`" if stage == "sft" else ""
            yield (
                f"{loaded.path}: `{SECTIONS[stage]}` learns from answers to red-team prompts, and there are "
                f"none\n  next: add `data.red_team`{also}, or leave `{SECTIONS[stage]}` out"
            )
    for stage in ONLINE:
        if stage in loaded.recipe.stages and not (data.red_team or data.prompts):
            yield (
                f"{loaded.path}: `{SECTIONS[stage]}` answers prompts, and there are none\n"
                f"  next: add `data.prompts`, or leave `{SECTIONS[stage]}` out"
            )


def _audit_problems(loaded: LoadedRecipe, out: Path) -> Iterator[str]:
    """Labels of a judge that nobody checks, and audits that cannot be passed."""
    recipe = loaded.recipe
    if recipe.audit is None:
        if recipe.gated:
            yield (
                f"{loaded.path}: `training.{recipe.learns_from_judge[0]}` learns from the judge's labels, "
                "and nothing says how good they are\n"
                "  next: hold the judge against pairs that people labelled, `audit: {labels: [FILE]}`\n"
                "        (docs/audit.md), or say `unaudited: true`, which the cards then say first"
            )
        return
    try:
        pairs = len(audit_pairs(loaded, RunFolder(out)).pairs)
    except DocumentError as error:
        yield f"audit: {error}"
        return
    wanted = recipe.audit.thresholds.min_usable
    if recipe.gated and pairs < wanted:
        yield (
            f"{loaded.path}: the audit has {pairs} pairs, and `audit.thresholds.min_usable` asks for "
            f"{wanted}: it cannot be passed\n"
            "  next: more files in `audit.labels`, a larger `audit.budget`, or another threshold"
        )


def _judge_problems(loaded: LoadedRecipe) -> Iterator[str]:
    """Judges that vote and are no model, and models of the panel that do not vote."""
    evaluation = loaded.recipe.evaluation
    compares = evaluation is not None and evaluation.asks_judge
    asks = {"audit", "label", *loaded.recipe.asks_online} & set(loaded.recipe.stages)
    judges = loaded.labeling.judges if asks or compares else ()
    panel = loaded.recipe.models.panel
    for name in judges:
        if name != JUDGE and name not in panel:
            near = nearest(name, [JUDGE, *panel])
            yield (
                f"{loaded.path}: `labeling.judges` names `{name}`, which `models.panel` does not have\n"
                f"  expected: one of {', '.join([JUDGE, *panel])}"
                + (f"\n  did you mean '{near}'?" if near else "")
            )
    for name in panel:
        if name not in judges:
            yield (
                f"{loaded.path}: `models.panel.{name}` judges nothing\n"
                f"  next: add `{name}` to `labeling.judges`, or leave it out"
            )


def _rating_problems(loaded: LoadedRecipe) -> Iterator[str]:
    """Models that only rate where words are asked for, and the other way round."""
    if loaded.recipe.data is not None and loaded.assistant.engine == "reward":
        yield (
            f"{loaded.path}: `models.assistant` is a reward model, which answers nothing\n"
            "  next: name a language model, and the reward model as `models.judge`"
        )
    rates = loaded.labeling.method == "reward"
    for name, settings in loaded.judges.items():
        place = "models.judge" if name == JUDGE else f"models.panel.{name}"
        if rates and settings.engine != "reward":
            yield (
                f"{loaded.path}: `labeling.method: reward` asks for rewards, and {place} answers in words\n"
                f"  next: set `{place}.engine: reward` if it is a reward model, or choose another method"
            )
        if not rates and settings.engine == "reward":
            yield (
                f"{loaded.path}: {place} is a reward model, and `labeling.method: {loaded.labeling.method}` "
                "asks in words\n"
                "  next: set `labeling.method: reward`; judges of both sorts cannot be one panel"
            )


def _model_problems(loaded: LoadedRecipe) -> Iterator[str]:
    if loaded.recipe.data is not None or loaded.recipe.evaluation is not None:
        yield from model_problems(loaded.assistant, "models.assistant")
    elif loaded.judge == loaded.assistant:
        yield from model_problems(loaded.judge, "models.judge")
    if loaded.recipe.models.judge is not None and loaded.judge != loaded.assistant:
        yield from model_problems(loaded.judge, "models.judge")
    for name, settings in loaded.judges.items():
        if name != JUDGE:
            yield from model_problems(settings, f"models.panel.{name}")
