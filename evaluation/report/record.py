"""`report.json`: figures come in, plain data goes out; and what a later gate needs of it is read back.

Every model has `measures`, flat, by the names that a gate uses, each with its interval; `by_prompt` has a
prompt's own share, so that a later report on the same prompts can be held against this one pair by pair.
"""

import json
import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import fmean
from typing import Literal, cast

from evaluation.figures.checkpoint import CheckpointFigures, helpfulness
from evaluation.figures.figures import Figures
from evaluation.figures.plane import nickname
from evaluation.figures.rates import ACCURACY, MEASURES, Rate, of_suite
from evaluation.model import Comparison, Evaluation, JudgeFacts
from labeling.audit.estimate import Estimate
from pipeline.shards import StoreError

SCHEMA_VERSION = 1
"""Raised when a field is renamed or removed; a gate reads no other version."""

Better = Literal["higher", "lower"]

_PAIRED = ("harmful_refused", "harmless_answered", ACCURACY)
_WIN_RATE = "win_rate"


@dataclass(frozen=True, slots=True)
class RecordedMeasure:
    """A measure of a model as `report.json` has it; `by_prompt` is empty for what is no mean of them."""

    value: float
    low: float
    high: float
    prompts: int
    better: Better
    by_prompt: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class RecordedModel:
    """A model's measures, what kind of model it is, and what it is called that has gone to one end."""

    name: str
    kind: str
    nickname: str
    measures: Mapping[str, RecordedMeasure]


@dataclass(frozen=True, slots=True)
class Recorded:
    """The models of a `report.json`, in its order: the base first, controls last."""

    models: tuple[RecordedModel, ...]

    @property
    def trained(self) -> tuple[RecordedModel, ...]:
        return tuple(model for model in self.models if model.kind not in ("base", "control", "step"))

    @property
    def final(self) -> RecordedModel:
        """The last model that was trained; the base where none was."""
        return (self.trained or self.models)[-1 if self.trained else 0]

    def get(self, name: str) -> RecordedModel | None:
        return next((model for model in self.models if model.name == name), None)


def models_json(figures: Figures, evaluation: Evaluation) -> list[dict[str, object]]:
    """Each model's figures as plain data."""
    asked = helpfulness(evaluation.comparisons)
    base = figures.base.name
    return [
        {
            "name": model.name,
            "kind": model.kind,
            "runs": list(model.runs),
            "nickname": nickname(model),
            "measures": measures(model, figures, evaluation.judges),
            "by_prompt": _by_prompt(
                model, [one for one in asked if (one.model, one.against) == (model.name, base)]
            ),
            "grades": {
                kind: {grade: _estimate(share) for grade, share in found.items()}
                for kind, found in model.grades.items()
            },
            "categories": _nested(model.categories),
            "suites": _nested(model.suites),
            "texts": {kind: _plain(asdict(found)) for kind, found in model.texts.items()},
            "wins": {judge: _plain(asdict(found)) for judge, found in model.wins.items()},
            "scores": {by: _plain(asdict(found)) for by, found in model.scores.items()},
            "strongreject": plain(model.strongreject) if model.strongreject else None,
            "standing": _standing(figures, model),
            "unread": model.unread,
        }
        for model in figures.models
    ]


def measures(
    model: CheckpointFigures, figures: Figures, judges: Sequence[JudgeFacts]
) -> dict[str, dict[str, object]]:
    """All that a gate can ask of a model, by name."""
    found: dict[str, dict[str, object]] = {}
    for name, rate in (*model.rates.items(), *_accuracies(model)):
        better: Better = "higher" if MEASURES[name.partition(":")[0]].higher_is_better else "lower"
        change = asdict(rate.change) if rate.change else None
        found[name] = _measure(rate.value, better) | {"change": change, "by_run": dict(rate.by_run)}
    for name, value, better in _others(model, figures, judges):
        if value is not None:
            found[name] = _measure(value, better)
    return found


def _accuracies(model: CheckpointFigures) -> Iterable[tuple[str, Rate]]:
    """Each suite's accuracy by itself, where there are several: sums and programs have no common mean."""
    for suite, rates in model.suites.items():
        if ACCURACY in rates:
            yield f"{ACCURACY}:{suite}", rates[ACCURACY]


def _others(
    model: CheckpointFigures, figures: Figures, judges: Sequence[JudgeFacts]
) -> Iterable[tuple[str, Estimate | None, Better]]:
    judge = _first_judge(model, judges)
    if judge is not None:
        wins = model.wins[judge]
        yield _WIN_RATE, wins.rate, "higher"
        yield "win_rate_length_controlled", wins.length_controlled, "higher"
    for ratings in list(figures.ratings.values())[:1]:
        if model.name in ratings:
            yield "elo", ratings[model.name].elo, "higher"
    yield "kl", model.kl, "lower"
    yield "strongreject", model.strongreject.score if model.strongreject else None, "lower"
    for by, score in model.scores.items():
        if score.role != "verifier":
            yield f"reward:{by}", score.gain, "higher"


def _first_judge(model: CheckpointFigures, judges: Sequence[JudgeFacts]) -> str | None:
    """One that passed its audit, if there is one."""
    fit = [judge.name for judge in judges if judge.fitness == "fit" and judge.name in model.wins]
    return next(iter([*fit, *model.wins]), None)


def _measure(found: Estimate, better: Better) -> dict[str, object]:
    return {**_estimate(found), "better": better}


def _estimate(found: Estimate) -> dict[str, object]:
    return {
        "value": found.value,
        "low": found.low,
        "high": found.high,
        "n": found.n,
        "prompts": found.clusters,
        "error": found.error,
    }


def _by_prompt(model: CheckpointFigures, comparisons: Sequence[Comparison]) -> dict[str, dict[str, float]]:
    """Each prompt's mean over the runs, of the measures that a gate may pair."""
    found: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for name in _PAIRED:
        for mark in model.marks.get(name, ()):
            found[name][mark.id].append(mark.value)
    for suite, rates in model.suites.items():
        for mark in of_suite(model.marks, suite).get(ACCURACY, ()) if ACCURACY in rates else ():
            found[f"{ACCURACY}:{suite}"][mark.id].append(mark.value)
    for one in comparisons:
        if one.points is not None:
            found[_WIN_RATE][one.id].append(one.points)
    return {name: {prompt: fmean(values) for prompt, values in each.items()} for name, each in found.items()}


def _nested(found: Mapping[str, Mapping[str, object]]) -> object:
    return {
        outer: {
            inner: _plain(asdict(rate))  # type: ignore[call-overload]
            for inner, rate in rates.items()
        }
        for outer, rates in found.items()
    }


def _standing(figures: Figures, model: CheckpointFigures) -> dict[str, object] | None:
    found = figures.standings.get(model.name)
    return None if found is None else {"places": dict(found.places), "better": found.better}


def plain(found: object) -> object:
    """Dataclasses as plain data."""
    return _plain(asdict(found))  # type: ignore[call-overload]


def _plain(found: object) -> object:
    """The same without numbers that JSON has no word for."""
    if isinstance(found, dict):
        return {str(name): _plain(value) for name, value in found.items()}
    if isinstance(found, list | tuple):
        return [_plain(value) for value in found]
    return None if isinstance(found, float) and not math.isfinite(found) else found


def read_report(path: Path) -> Recorded:
    """What a gate needs of a `report.json`.

    Raises:
        StoreError: there is no such file, it is not a report's, or it is one of another version.
    """
    try:
        return recorded(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise StoreError(
            f"{path}: is no report that can be read ({error})\n"
            "  next: name the report.json of an evaluation by this version of Solon"
        ) from error


def recorded(content: Mapping[str, object]) -> Recorded:
    """The models of a report's plain data. `ValueError` where it has another version, or no models."""
    version = content.get("schema_version")
    if version != SCHEMA_VERSION:
        raise ValueError(f"its schema_version is {version!r}, and this Solon reads {SCHEMA_VERSION}")
    models = tuple(_model(each) for each in cast("list[dict[str, object]]", content["models"]))
    if not models:
        raise ValueError("it has no models")
    return Recorded(models)


def _model(content: Mapping[str, object]) -> RecordedModel:
    prompts = cast("dict[str, dict[str, float]]", content["by_prompt"])
    given = cast("dict[str, dict[str, object]]", content["measures"])
    return RecordedModel(
        str(content["name"]),
        str(content["kind"]),
        str(content["nickname"]),
        {name: _recorded_measure(each, prompts.get(name, {})) for name, each in given.items()},
    )


def _recorded_measure(content: Mapping[str, object], by_prompt: Mapping[str, float]) -> RecordedMeasure:
    value, low, high = (float(cast("float", content[name])) for name in ("value", "low", "high"))
    better = cast("Better", content["better"])
    return RecordedMeasure(value, low, high, int(cast("int", content["prompts"])), better, by_prompt)
