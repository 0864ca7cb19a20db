"""Every way to label on the same pairs: what each says, how often that agrees with people, what it costs.

In: pairs that people labelled, by source, and a model. Out: a `Measured` for each way, and a table. All
ways share one journal, so that a call which two ways ask is asked once and an interrupted comparison goes
on. Cost is counted apart from that: a way's prompts are encoded as the model reads them, and beginnings
that several of its calls have in common count once.
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import get_args

from rich.table import Table
from transformers import AutoTokenizer, PreTrainedTokenizerBase

from engine.local_model import locate
from engine.protocol import Engine
from engine.scripted import Call, ScriptedEngine
from engine.tokens import encode_prompt
from labeling.audit.agreement import accuracy, usable
from labeling.audit.ask import Audited, Auditor, audit_rows
from labeling.audit.bias import Rule, floors, position
from labeling.audit.estimate import Estimate, percent
from labeling.audit.figures import figures
from labeling.audit.model import HumanPair, Opinion
from labeling.audit.opinion import opinion_of
from labeling.judge import Judge
from labeling.model import JUDGE
from pipeline.context import Context
from pipeline.journal import Journal
from pipeline.runner import collect, run_rows
from solon.audit import judge_recipe
from solon.engines import in_flight, open_roles
from solon.loaded_recipe import LoadedRecipe
from solon.terminal import hush_libraries

Pairs = Mapping[str, Sequence[HumanPair]]
"""The pairs of each source."""

LOG_ODDS = ("labeling.combine=mean_logit", "labeling.combine_votes=mean_logit")
WAYS: Mapping[str, tuple[str, ...]] = {
    "ab": (),
    "ab, log-odds": LOG_ODDS[:1],
    "ab, 4 principles": ("labeling.principles=4",),
    "ab, 8 principles, log-odds": ("labeling.principles=8", *LOG_ODDS),
    "ab, negated, log-odds": ("labeling.negated=true", *LOG_ODDS),
    "ab, 4 principles, negated, log-odds": ("labeling.principles=4", "labeling.negated=true", *LOG_ODDS),
    "pointwise": ("labeling.method=pointwise",),
    "pointwise, 8 principles": ("labeling.method=pointwise", "labeling.principles=8"),
    "relevance": ("labeling.method=relevance",),
    "relevance, summed": ("labeling.method=relevance", "labeling.relevance={length_normalized: false}"),
    "likelihood": ("labeling.method=likelihood",),
    "likelihood, summed": ("labeling.method=likelihood", "labeling.likelihood={length_normalized: false}"),
    "likelihood, 4 principles": ("labeling.method=likelihood", "labeling.principles=4"),
    "likelihood, against the opposite": (
        "labeling.method=likelihood",
        "labeling.likelihood={against: opposite}",
    ),
    "likelihood, against the opposite, 4 principles": (
        "labeling.method=likelihood",
        "labeling.principles=4",
        "labeling.likelihood={against: opposite}",
    ),
    "few_shot": ("labeling.method=few_shot",),
    "few_shot, 4 principles, log-odds": (
        "labeling.method=few_shot",
        "labeling.principles=4",
        *LOG_ODDS,
    ),
    "reasoned": ("labeling.method=reasoned", "labeling.rationale={max_tokens: 64, temperature: 0}"),
}
"""Every way to label that needs no training, as it is written in a recipe."""
REWARD = "reward"
"""A reward model's way, where one is given."""
PANEL = "ab, a panel"
"""The way of the model and of what was trained from it, a vote each, where adapters are given."""
RULES = get_args(Rule)


@dataclass(frozen=True, slots=True)
class Measured:
    """A way's opinions on the pairs of each source, and its cost: tokens and calls for a pair.

    Tokens are those that the model reads or writes, beginnings that calls share counted once.
    """

    name: str
    opinions: Mapping[str, Sequence[Opinion]]
    tokens: float
    calls: float

    @property
    def all(self) -> list[Opinion]:
        return [one for ones in self.opinions.values() for one in ones]


async def measured(
    model: str,
    pairs: Pairs,
    ways: Sequence[str],
    *,
    out: Path,
    reward: Path | None = None,
    panel: Sequence[Path] = (),
) -> list[Measured]:
    """What every way says of every pair; last a panel and a reward model, where their adapters are given.

    Answers are journalled in `out`.
    """
    asking = {name: recipe(model, WAYS[name]) for name in ways}
    if panel:
        asking[PANEL] = recipe(model, _with_votes_of(model, panel))
    if reward is not None:
        asking[REWARD] = recipe(model, _rated_by(model, reward))
    tokenizer = AutoTokenizer.from_pretrained(locate(model))
    found: list[Measured] = []
    with Journal(out / "answers.log") as journal:
        for name, loaded in asking.items():
            hush_libraries(loaded)
            async with open_roles(loaded.judges, _quietly) as engines:
                found.append(await _measure(name, loaded, pairs, engines, journal, tokenizer=tokenizer))
            print(_line(found[-1]), flush=True)
    return found


def _quietly(_line: str) -> None:
    """A table is printed, and lines of what is loaded would stand between its own."""


def recipe(model: str, overrides: Sequence[str] = ()) -> LoadedRecipe:
    return judge_recipe(model, labels=(), budget=None, overrides=overrides)


def _rated_by(model: str, adapter: Path) -> tuple[str, ...]:
    return (
        f"models.judge={{engine: reward, model: {model}, adapter: {adapter.absolute()}}}",
        "labeling.method=reward",
    )


def _with_votes_of(model: str, adapters: Sequence[Path]) -> tuple[str, ...]:
    named = {f"adapter-{number}": adapter for number, adapter in enumerate(adapters, start=1)}
    return (
        *(
            f"models.panel.{name}={{model: {model}, adapter: {path.absolute()}}}"
            for name, path in named.items()
        ),
        f"labeling.judges=[{', '.join((JUDGE, *named))}]",
    )


async def _measure(
    name: str,
    loaded: LoadedRecipe,
    pairs: Pairs,
    engines: Mapping[str, Engine],
    journal: Journal,
    *,
    tokenizer: PreTrainedTokenizerBase,
) -> Measured:
    judge = Judge(loaded.constitution, loaded.prompts, loaded.labeling)
    given, seed = [pair for each in pairs.values() for pair in each], loaded.recipe.seed
    waiting = {role: in_flight(settings) for role, settings in loaded.judges.items()}
    context = Context(engines, journal, seed, in_flight=waiting)
    judgments = {each.pair.id: each.judgment for each in await _audited(judge, given, context)}
    calls = await _calls(judge, given, tuple(engines), seed=seed)
    return Measured(
        name,
        {
            source: [opinion_of(pair, judgments.get(pair.id)) for pair in each]
            for source, each in pairs.items()
        },
        tokens=sum(_read_once(each, tokenizer) for each in calls) / len(given),
        calls=sum(map(len, calls)) / len(given),
    )


async def _audited(judge: Judge, given: Sequence[HumanPair], context: Context) -> list[Audited]:
    outcomes = await collect(run_rows(Auditor(judge), audit_rows(given, probed=0), context))
    return [each for outcome in outcomes if outcome.record is not None for each in outcome.record]


async def _calls(
    judge: Judge, given: Sequence[HumanPair], roles: Sequence[str], *, seed: int
) -> list[list[Call]]:
    """All that the way asks each model, put to a script: a rationale is as long there as it may become."""
    scripts = {
        role: ScriptedEngine(
            lambda _prompt, sampling: " word" * sampling.max_tokens, reward=lambda _prompt, _answer: 0.0
        )
        for role in roles
    }
    with TemporaryDirectory() as folder, Journal(Path(folder) / "answers.log") as journal:
        await _audited(judge, given, Context(scripts, journal, seed))
    return [script.calls for script in scripts.values()]


def _read_once(calls: Iterable[Call], tokenizer: PreTrainedTokenizerBase) -> int:
    """Tokens of all calls, each beginning that several of them have in common counted once."""
    begun: set[bytes] = set()
    written = 0
    for call in calls:
        ids = encode_prompt(tokenizer, call.prompt)
        ids += tokenizer(call.completion, add_special_tokens=False).input_ids
        written += call.sampling.max_tokens if call.sampling else 0
        beginning = hashlib.blake2b(digest_size=16)
        for token in ids:
            beginning.update(token.to_bytes(4, "little"))
            begun.add(beginning.digest())
    return len(begun) + written


def _line(found: Measured) -> str:
    right = percent(accuracy(found.all)) if usable(found.all) else "no usable opinion"
    return f"{found.name}: {right} of {len(found.all)}, {found.tokens:,.0f} tokens a pair"


def table(found: Sequence[Measured], *, width: int) -> Table:
    """A row for each way, and below them what rules reach on the same pairs that read nothing but lengths."""
    sources = list(found[0].opinions)
    columns = ("way", *sources, "all", "same in both orders", "ECE, calibrated", "tokens a pair", "calls")
    shown = Table(*columns, width=width)
    for way in found:
        shown.add_row(way.name, *_cells(way), f"{way.tokens:,.0f}", f"{way.calls:.1f}")
    by_source = [*found[0].opinions.values(), found[0].all]
    for number, rule in enumerate(RULES):
        cells = [_percent(floors(ones)[number].accuracy) for ones in by_source]
        shown.add_row(f"the {rule} response", *cells, "", "", "0", "0")
    return shown


def _cells(way: Measured) -> Iterator[str]:
    for ones in (*way.opinions.values(), way.all):
        yield _percent(accuracy(ones)) if usable(ones) else "–"
    order, calibration = position(way.all), figures(way.all).calibration
    yield _percent(order.consistency) if order else "–"
    yield f"{calibration.by_way[calibration.best].ece.value:.3f}" if calibration else "–"


def _percent(share: Estimate) -> str:
    return f"{100 * share.value:.1f} ({100 * share.low:.0f}-{100 * share.high:.0f})"
