"""A recipe's audit: which pairs its judge is held against, who that judge is, and what the verdict allows.

In: a `LoadedRecipe` and its run folder. Out: the pairs and rows of the stage `audit`, the words for cards,
and `UnfitJudgeError` where training would learn from a judge that no audit speaks for.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from constitution.document import Problem, parse_document, validate
from engine.protocol import Engine
from labeling.audit.ask import Auditor, AuditRow, audit_rows
from labeling.audit.human.load import HumanFile, HumanLabels, load_human
from labeling.audit.model import HumanPair
from labeling.audit.record import read_audit
from labeling.audit.sampling import sample
from labeling.audit.settings import AuditSettings
from labeling.judge import METHODS, Judge
from labeling.settings import LabelingSettings
from labeling.trust import Trust
from labeling.votes.human import SOURCE as VOTES
from pipeline.rows import InputError
from solon.annotate import voted_pairs
from solon.loaded_recipe import LoadedRecipe, is_recipe, load_recipe
from solon.overrides import override
from solon.recipe import Recipe
from solon.run_folder import RunFolder
from solon.work import RunError
from training.settings import OnlineSettings

DEFAULT_CONSTITUTION = "harmless"


class UnfitJudgeError(RunError):
    """The judge's labels must not train a model; the message has the audit's reasons and what to try."""


@dataclass(frozen=True, slots=True)
class AuditPairs:
    """The pairs to audit on, at most the budget, and what came of each file."""

    pairs: tuple[HumanPair, ...]
    files: tuple[HumanFile, ...]
    rows: tuple[AuditRow, ...]


def audit_settings(loaded: LoadedRecipe) -> AuditSettings:
    """Raises `RunError` where the recipe has no `audit` section."""
    if loaded.recipe.audit is None:
        raise RunError("the recipe has no `audit` section; add one (docs/audit.md), or use another command")
    return loaded.recipe.audit


def auditor(loaded: LoadedRecipe) -> Auditor:
    return Auditor(Judge(loaded.constitution, loaded.prompts, loaded.labeling))


def audit_pairs(loaded: LoadedRecipe, folder: RunFolder) -> AuditPairs:
    """The recipe's files of human labels, and people's votes on the run's own pairs, sampled by the budget.

    Raises:
        InputError: there is no pair that people labelled.
    """
    settings = audit_settings(loaded)
    labels = load_human(tuple(loaded.human_labels.values())) if settings.labels else HumanLabels((), ())
    voted = voted_pairs(folder.path) if settings.votes and has_votes(folder) else None
    pairs, files = list(labels.pairs), list(labels.files)
    if voted is not None:
        pairs += voted.pairs
        files.append(HumanFile(VOTES, VOTES, len(voted.pairs), (), dict(voted.left_out)))
    if not pairs:
        raise InputError(
            Problem(
                str(loaded.path),
                "`audit` names no pairs that people labelled",
                expected="`audit.labels:` a list of files, or votes on the run's pairs (`solon annotate`)",
            )
        )
    chosen = tuple(sample(pairs, settings.budget or len(pairs), seed=loaded.recipe.seed))
    return AuditPairs(chosen, tuple(files), tuple(audit_rows(chosen, probed=settings.probed)))


def has_votes(folder: RunFolder) -> bool:
    return folder.votes.exists() and folder.comparisons.exists()


def judge_facts(loaded: LoadedRecipe, engines: Mapping[str, Engine]) -> dict[str, str]:
    """Who was asked and how, for the report; a part of the audit's digest."""
    settings, constitution = loaded.labeling, loaded.constitution
    prints = {role: engine.fingerprint for role, engine in engines.items()}
    judges = [f"{role}: {each.model} ({each.digest[:12]})" for role, each in prints.items()]
    templates = Judge(constitution, loaded.prompts, settings).templates
    hashes = [f"{name} {loaded.prompts.hash(name)[:12]}" for name in templates]
    return {
        "judge": ", ".join(judges),
        "method": settings.method,
        "votes on a pair": _votes(settings),
        "combined by": f"orders {settings.combine}, votes {settings.combine_votes}",
        "constitution": f"{constitution.name} {constitution.version} ({constitution.digest[:12]})",
        "templates": ", ".join(hashes),
        "seed": str(loaded.recipe.seed),
    }


def _votes(settings: LabelingSettings) -> str:
    if not METHODS[settings.method].by_principle:
        return "one of each judge, by no principle"
    return f"{settings.principles} of the principles" + (", negated too" if settings.negated else "")


def trust(loaded: LoadedRecipe, folder: RunFolder) -> Trust | None:
    """What the run's audit makes of the judge's probabilities; None where the recipe has no audit."""
    if loaded.recipe.audit is None:
        return None
    record = read_audit(folder.audit)
    return Trust(record.digest, record.calibrated, loaded.recipe.audit.min_confidence)


def require_fit(loaded: LoadedRecipe, folder: RunFolder) -> None:
    """Stop where training would learn labels of a judge that failed its audit.

    Raises:
        UnfitJudgeError: it failed, and the recipe does not say `unaudited: true`.
    """
    if not loaded.recipe.gated:
        return
    record = read_audit(folder.audit)
    if record.passed:
        return
    reasons = [f"  - {check.name}: {check.reason}\n    try: {check.advice}" for check in record.failures]
    raise UnfitJudgeError(
        f"{loaded.path}: the judge is not fit to label, so nothing is trained on its labels:\n"
        + "\n".join(reasons)
        + f"\n  the whole audit: {folder.audit.with_name('audit.html')}\n"
        "  next: another judge or way of asking (docs/labeling.md), other `audit.thresholds`, or\n"
        "        `unaudited: true`, which the dataset's and the model's cards then say first"
    )


def warning(loaded: LoadedRecipe, folder: RunFolder) -> str:
    """What the cards must say first of who decided the labels; "" where an audit speaks for the judge."""
    labeling = loaded.recipe.labeling
    return "" if labeling is None or not labeling.judge_decides else _unspoken_for(loaded, folder)


def online_warning(loaded: LoadedRecipe, folder: RunFolder, settings: OnlineSettings) -> str:
    """As `warning`, of a method that asks the judge while it trains, or is scored by the run's own model."""
    if not settings.asks_judge:
        return warning(loaded, folder) if settings.uses_run else ""
    said, way = _unspoken_for(loaded, folder), loaded.labeling.method
    alone = any(part.judge is not None for part in settings.reward_funcs)
    if said or not alone or way == "pointwise":
        return said
    return f"The judge's scores are unaudited: its audit asked it by {way}, and here it scored answers alone."


def _unspoken_for(loaded: LoadedRecipe, folder: RunFolder) -> str:
    if loaded.recipe.audit is None:
        return "Unaudited: the labels are a judge's that nobody has held against people."
    record = read_audit(folder.audit)
    if record.passed:
        return ""
    reasons = "; ".join(f"{check.name} ({check.reason})" for check in record.failures)
    return f"The judge failed its audit, and its labels were used all the same. What failed: {reasons}."


def audit_fact(loaded: LoadedRecipe, folder: RunFolder) -> str:
    """One line on the audit for cards."""
    if loaded.recipe.audit is None or not folder.audit.exists():
        return "none"
    record = read_audit(folder.audit)
    return f"{record.digest}, {'passed' if record.passed else 'failed'}: {record.accuracy}"


def judge_recipe(
    judge: str, *, labels: Sequence[Path], budget: int | None, overrides: Sequence[str] = ()
) -> LoadedRecipe:
    """What to audit: a recipe's judge, or a model that is named by itself, asked by the defaults.

    `labels` stand in place of the recipe's, as does a budget.

    Raises:
        DocumentError: the recipe, or what the command line says of it, is not sound.
    """
    path = Path(judge).expanduser()
    paths = [str(each.expanduser().absolute()) for each in labels]
    given = [f"audit.labels={json.dumps(paths)}"] if paths else []
    given += [f"audit.budget={budget}"] if budget is not None else []
    if is_recipe(path):
        return load_recipe(path, [*given, *overrides])
    document = {
        "name": _slug(judge),
        "constitution": DEFAULT_CONSTITUTION,
        "models": {"judge": {"model": judge}, "assistant": {"model": judge}},
        "audit": {},
    }
    parsed = override(parse_document(json.dumps(document), "the command line"), [*given, *overrides])
    return LoadedRecipe(validate(parsed, Recipe), Path.cwd() / f"{_slug(judge)}.yaml", tuple(overrides))


def _slug(judge: str) -> str:
    """The judge's name as a run's: `Qwen/Qwen3-8B` is `audit-qwen3-8b`."""
    name = Path(judge).name.lower()
    plain = "".join(mark if mark.isascii() and mark.isalnum() else "-" for mark in name)
    return "-".join(["audit", *filter(None, plain.split("-"))])
