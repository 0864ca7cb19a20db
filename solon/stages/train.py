"""The stages that train, one for each method: what a method is given comes in, a model folder goes out.

All but SFT go on from the SL model, and those that learn a judge's labels need one that passes the gate.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from labeling.judge import Judge
from labeling.pair_settings import Export
from labeling.trust import Believing
from pipeline.gate import StoppedError
from solon.audit import require_fit, trust
from solon.facts import judged_facts, run_facts
from solon.imitated import Imitated
from solon.stage import LEARN_FROM_LABELS, Stage
from solon.stages.sitting import Sitting
from solon.stages.training import training_of
from solon.suites import shown
from training.data import reasons
from training.judge import OnlineJudge
from training.model import Trained, TrainingProgress
from training.settings import MethodName

_UNITS: Mapping[Export | None, str] = {"preferences": "pairs", "unpaired": "responses", "ranked": "groups"}
"""What a row of a dataset is called."""


async def train(sitting: Sitting, method: MethodName) -> None:
    """Train by a method, asking the recipe's judges where it learns from them as it goes."""
    loaded, folder = sitting.loaded, sitting.folder
    given = training_of(method, sitting.outputs)
    drawn = _drawn(given.rows)
    if given.judged:
        require_fit(loaded, folder)
    from training.processes import shared

    _make_room(sitting, method, given.out)
    shared(lambda: method)  # the other processes wait for this, in `training.follow`
    async with _online_judge(sitting, method) as judge:
        with _bar(sitting, method) as progress:
            trained = await asyncio.to_thread(
                given.train,
                card=run_facts(loaded) | drawn | judged_facts(loaded, folder, method),
                # A few held-out prompts of each kind, for the samples beside a trained model.
                samples=[question.conversation for question in shown(loaded, each=3)],
                progress=progress,
                judge=judge,
            )
    told = "".join(f"{text}, " for text in drawn.values())
    sitting.reporter.say(f"{method}: {_learnt(method, trained)}{told}model in {trained.folder}")


def _drawn(rows: Iterable[Mapping[str, object]]) -> dict[str, str]:
    """What the card says of helpful samples that were drawn to a share; nothing where all are taken."""
    if isinstance(rows, Imitated) and rows.drawn is not None:
        return {"helpful share": rows.drawn.told()}
    return {}


@contextlib.asynccontextmanager
async def _online_judge(sitting: Sitting, method: MethodName) -> AsyncIterator[OnlineJudge | None]:
    """The recipe's judges, ready to be asked by a method while it trains; None where it asks nobody."""
    loaded = sitting.loaded
    if method not in loaded.recipe.asks_online:
        yield None
        return
    sitting.outputs.require_audit()
    begun = sitting.progress.stages[method]
    before = replace(begun.tally)
    async with sitting.engines(**loaded.judges) as context:
        yield OnlineJudge(
            Judge(loaded.constitution, loaded.prompts, loaded.labeling),
            replace(context, tally=begun.tally),
            asyncio.get_running_loop(),
            Believing(loaded.labeling, trust(loaded, sitting.folder)),
        )
    spent = begun.tally.since(before)
    sitting.reporter.say(f"{method}: {spent.asked} calls asked, {spent.found} found in the journal")


@contextlib.contextmanager
def _bar(sitting: Sitting, stage: Stage) -> Iterator[Callable[[TrainingProgress], None]]:
    begun = sitting.progress.stages[stage]
    with sitting.reporter.stage(stage) as bar:

        def show(progress: TrainingProgress) -> None:
            if sitting.stop.asked:
                raise StoppedError(f"stopped after step {progress.step}")
            bar.move_to(progress.step, progress.total)
            loss = f"loss {progress.loss:.3f}" if progress.loss is not None else ""
            told = loss if progress.score is None else f"score {progress.score:.3f}"
            begun.note = f"{progress.phase} {told}".strip()
            bar.note(begun.note)
            begun.done, begun.total = progress.step, progress.total
            sitting.progress.tick(begun)

        yield show


def _make_room(sitting: Sitting, stage: Stage, out: Path) -> None:
    """Put a model that was trained from other inputs aside, its checkpoints too: they cost time."""
    earlier, say = sitting.folder.earlier_models, sitting.reporter.say
    partial = out.with_name(f"{out.name}.partial")
    if partial.exists() and sitting.progress.stages[stage].changed:
        say(f"{stage}: checkpoints of other inputs kept in {_put_aside(partial, earlier)}")
    if out.exists():
        say(f"{stage}: the model of other inputs kept in {_put_aside(out, earlier)}")
    sitting.progress.stages[stage].changed = False


def _put_aside(out: Path, earlier: Path) -> Path:
    number = 1
    while (kept := earlier / f"{out.name}-{number}").exists():
        number += 1
    kept.parent.mkdir(parents=True, exist_ok=True)
    return out.rename(kept)


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
    shares = [
        f"{source} {100 * value:.0f} % of {trained.metrics[f'held_out_pairs/{source}']:.0f}"
        for name, value in trained.metrics.items()
        if (source := name.removeprefix("held_out_accuracy/")) != name
    ]
    return f" ({', '.join(shares)})" if shares else ""
