"""The stage `audit`: the judge on pairs that people labelled; figures, report and verdict."""

from labeling.audit.ask import Audited
from pipeline.store import iter_records
from solon.audit import audit_pairs, audit_settings, auditor, judge_facts
from solon.stages.sitting import Sitting


async def audit(sitting: Sitting) -> None:
    """Ask about every pair, and say what follows."""
    from labeling.audit import record
    from labeling.audit.report import spoken, write_report

    loaded, folder, reporter = sitting.loaded, sitting.folder, sitting.reporter
    given, program = audit_pairs(loaded, folder), auditor(loaded)
    for file in given.files:
        reporter.say(str(file))
    async with sitting.engines(**loaded.judges) as context:
        await sitting.rows(
            "audit", program, given.rows, context, kind=Audited, folder=folder.audited, many=True
        )
        judge = judge_facts(loaded, context.engines)
    audited = list(iter_records(folder.audited, Audited))
    found = record.audit(
        audited,
        given.pairs,
        loaded.labeling,
        thresholds=audit_settings(loaded).thresholds,
        judge=judge,
        files=given.files,
        failed=sitting.progress.stages["audit"].failed,
        seed=loaded.recipe.seed,
    )
    report = write_report(folder.audit.parent, found, audited, name=loaded.recipe.name)
    record.write_audit(folder.audit, found)
    reporter.say(f"audit: {spoken(found)}")
    reporter.say(f"audit: {report.resolve()}")
