"""`solon audit VERDICTS`: an audit of verdicts that a judge gave elsewhere; no model is loaded, nobody asked.

In: a file of labelled pairs with the judge's `judgments`. Out: the same report and `audit.json` as any
audit's, in a folder of their own.
"""

from collections.abc import Sequence
from pathlib import Path

from labeling.audit.record import Audit, audit, read_audit, write_audit
from labeling.audit.recorded import COLUMN, METHOD, load_recorded
from labeling.audit.report import spoken, write_report
from pipeline.rows import FORMATS
from solon.audit import audit_settings, judge_recipe
from solon.console import Reporter
from solon.errors import BadInputError
from solon.run_folder import RunFolder, default_out


def is_recorded(judge: Path) -> bool:
    """Whether what stands for a judge is a file of verdicts: no recipe and no model ends so."""
    return judge.name.lower().removesuffix(".gz").endswith(FORMATS) and not judge.is_dir()


def audit_recorded(
    verdicts: Path, *, overrides: Sequence[str] = (), out: Path | None = None, reporter: Reporter
) -> Audit:
    """Read, count, report; all pairs, whatever the budget, since nothing is asked.

    Raises:
        InputError: the file gives no pair with verdicts.
        BadInputError: the folder to write into holds a run, or another audit.
    """
    loaded = judge_recipe(str(verdicts), labels=(), budget=None, overrides=overrides)
    folder = RunFolder(out or default_out(loaded.recipe))
    if folder.recipe.exists():
        raise BadInputError(f"{folder.path}: holds a run\n  next: name another folder with --out")
    recorded = load_recorded([verdicts], loaded.labeling)
    for file in recorded.files:
        reporter.say(str(file))
    settings = loaded.labeling
    found = audit(
        recorded.audited,
        recorded.pairs,
        settings,
        thresholds=audit_settings(loaded).thresholds,
        judge={
            "judge": f"verdicts recorded in {verdicts.name}",
            "method": f"{METHOD}: `{COLUMN}` of the file",
            "combined by": f"orders {settings.combine}",
        },
        files=recorded.files,
        seed=loaded.recipe.seed,
    )
    _require_same(folder, found)
    page = write_report(folder.audit.parent, found, recorded.audited, name=loaded.recipe.name)
    write_audit(folder.audit, found)
    reporter.say(f"audit: {spoken(found)}")
    reporter.say(f"audit: {page.resolve()}")
    return found


def _require_same(folder: RunFolder, found: Audit) -> None:
    """Another audit is never written over."""
    if folder.audit.exists() and read_audit(folder.audit).digest != found.digest:
        raise BadInputError(
            f"{folder.audit}: is there already, of other verdicts\n  next: name another folder with --out"
        )
