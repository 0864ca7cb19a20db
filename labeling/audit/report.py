"""The audit for people: `audit.md`, the same as one HTML page, and the picture.

In: an `Audit` and the judge's answers. Out: files in a folder. The first words say whether the judge may
label and why; then every figure with its interval and the rule that does as well for nothing beside it; then
the pairs that the judge was surest of and wrong about.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from labeling.audit.agreement import Kind
from labeling.audit.ask import Audited, clean
from labeling.audit.bias import Flips
from labeling.audit.estimate import Estimate, percent
from labeling.audit.figures import Calibrations, Figures
from labeling.audit.human.load import HumanFile
from labeling.audit.model import HumanPair
from labeling.audit.plot import plot
from labeling.audit.record import Audit
from labeling.audit.voters import Voters
from labeling.html import page
from labeling.markdown import cell, facts_table, fenced, table
from pipeline.disk import write_whole

PICTURE = "audit.png"
_SUREST = 5
_CLIPPED = 700
_COVERAGES = (1.0, 0.8, 0.6, 0.4, 0.2)


def write_report(folder: Path, found: Audit, audited: Sequence[Audited], *, name: str) -> Path:
    """Write `audit.md`, `audit.html` and `audit.png`, each whole or not at all; returns the page's path."""
    folder.mkdir(parents=True, exist_ok=True)
    picture, text = plot(found), markdown(found, audited, name=name)
    write_whole(folder / PICTURE, picture)
    write_whole(folder / "audit.md", text.encode())
    shown = page(text, title=f"Audit of {name}", pictures={PICTURE: picture})
    write_whole(folder / "audit.html", shown.encode())
    return folder / "audit.html"


def markdown(found: Audit, audited: Sequence[Audited], *, name: str) -> str:
    """The report's text."""
    figures = found.figures
    sections = [
        f"# Audit of the judge of {cell(name)}",
        headline(found),
        facts_table({**found.judge, "audit": found.digest}, title="who was asked, and how"),
        f"## What it had to show\n\n{_checks(found)}",
        f"![Agreement with people, calibration, and accuracy of the surest pairs]({PICTURE})",
        f"## Agreement with people\n\n{_agreement(found)}",
        f"## Order and length\n\n{_bias(figures)}",
        f"## Orders hidden in a response\n\n{_flips(figures.injections)}",
        f"## The same words in other Markdown\n\n{_flips(figures.formats)}",
        f"## Calibration\n\n{_calibration(figures)}",
        f"## Leaving doubtful pairs out\n\n{_abstention(figures)}",
        f"## Principles\n\n{_voters(found.principles, 'principle')}",
        f"## The panel\n\n{_voters(found.judges, 'judge')}" if found.judges else "",
        f"## The pairs\n\n{_files(found)}",
        f"## Surest and wrong\n\n{_surest(audited)}",
    ]
    return "\n\n".join(section for section in sections if section) + "\n"


def headline(found: Audit) -> str:
    """Whether the judge may label, and the reasons, in one paragraph."""
    if found.verdict.passed:
        return f"**Fit to label** by this recipe's thresholds.{_seen(found)}"
    reasons = "; ".join(f"{cell(check.name)}: {cell(check.reason)}" for check in found.verdict.failures)
    return f"> **Not fit to label.**{_seen(found)} What fails: {reasons}."


def spoken(found: Audit) -> str:
    """The same for a terminal, a line for each reason."""
    if found.verdict.passed:
        return f"fit to label by this recipe's thresholds.{_seen(found)}"
    reasons = [f"  {check.name}: {check.reason}" for check in found.verdict.failures]
    return "\n".join([f"not fit to label.{_seen(found)}", *reasons])


def _seen(found: Audit) -> str:
    agreement = found.figures.agreement
    return f" It agrees with people in {percent(agreement.accuracy)} of pairs." if agreement else ""


def _number(estimate: Estimate, digits: int = 3) -> str:
    return f"{estimate.value:.{digits}f} ({estimate.low:.{digits}f} to {estimate.high:.{digits}f})"


def _checks(found: Audit) -> str:
    rows = [
        [
            cell(check.name),
            "holds" if check.passed else "**fails**",
            cell(check.reason),
            "" if check.passed else cell(check.advice),
        ]
        for check in found.verdict.checks
    ]
    note = (
        "Agreement is the judge's to show: its interval must lie above the limit. The other limits are the "
        "audit's to show broken: a judge within all of them fails one by chance in at most the recipe's "
        "`false_alarms`. In brackets: 95 % intervals over prompts."
    )
    return f"{table(['', '', 'what was found', 'what to try'], rows, numbers=False)}\n\n{note}"


def _agreement(found: Audit) -> str:
    figures = found.figures
    counts = f"{figures.usable} of {figures.pairs} pairs, over {figures.prompts} prompts, could be used."
    if figures.agreement is None:
        return counts
    rows = [
        ["agrees with people (both orders)", percent(figures.agreement.accuracy)],
        *([["a single reading", percent(one)]] if (one := figures.agreement.one_order) else []),
        ["Cohen's kappa", _number(figures.agreement.kappa, 2)],
        ["ties", str(figures.agreement.ties)],
        ["could not be used", percent(figures.unparsed)],
    ]
    rules = [
        [f"the {each.rule} response", percent(each.accuracy), _points(each.margin)] for each in figures.floors
    ]
    floors = table(["a rule that reads nothing", "agrees", "the judge is above it by, points"], rules)
    parts = [counts, table(["", ""], rows), floors]
    parts += [f"### By file\n\n{_kinds(found.by_source)}"] if len(found.by_source) > 1 else []
    kinds = figures.agreement.by_kind
    parts += [f"### By kind\n\n{_kinds(kinds)}"] if len(kinds) > 1 else []
    return "\n\n".join(parts)


def _kinds(kinds: Mapping[str, Kind]) -> str:
    rows = [
        [
            cell(name) or "(no kind)",
            str(kind.pairs),
            str(kind.unparsed),
            percent(kind.accuracy) if kind.accuracy else "–",
        ]
        for name, kind in kinds.items()
    ]
    return table(["", "pairs", "not usable", "agrees"], rows)


def _points(margin: Estimate) -> str:
    return f"{100 * margin.value:+.1f} ({100 * margin.low:+.1f} to {100 * margin.high:+.1f})"


def _bias(figures: Figures) -> str:
    rows: list[list[str]] = []
    if (place := figures.position) is not None:
        rows += [
            ["names the same response in both orders", percent(place.consistency)],
            ["names the first place twice", percent(place.first_twice)],
            ["names the second place twice", percent(place.second_twice)],
            ["what the first place is worth, nats", _number(place.nats, 2)],
        ]
    if (length := figures.length) is not None:
        rows += [
            [f"log-odds for {length.words:.0f} words more: the judge", _number(length.judge, 2)],
            ["the same: people", _number(length.people, 2)],
            ["the judge beyond people's choice", _number(length.excess, 2)],
        ]
    return table(["", ""], rows) if rows else "Too few usable pairs."


def _flips(forms: Mapping[str, Flips | None]) -> str:
    if not forms:
        return "None were tried (`audit.probed` is 0)."
    rows = [
        [
            cell(name),
            str(flips.rate.n),
            percent(flips.rate),
            percent(flips.toward_chosen),
            percent(flips.toward_rejected),
            percent(flips.lost),
        ]
        for name, flips in sorted(forms.items(), key=_by_count)
        if flips is not None
    ]
    header = ["form", "pairs", "verdicts changed", "for people's choice", "against it", "verdict lost"]
    return table(header, rows)


def _by_count(item: tuple[str, Flips | None]) -> tuple[float, str]:
    name, flips = item
    return (-flips.rate.n if flips else 0.0, name)


def _calibration(figures: Figures) -> str:
    if (found := figures.calibration) is None:
        return "Too few usable pairs."
    rows = [
        [
            "as it is" if way == "as_is" else f"{way}, on pairs it has not seen",
            _number(each.ece),
            f"{each.ece_plain:.3f}",
            _number(each.brier),
            _number(each.log_loss),
        ]
        for way, each in found.by_way.items()
    ]
    header = ["", "ECE", "ECE, plain", "Brier", "log loss, nats"]
    return f"{table(header, rows)}\n\n{_calibrator(found)}"


def _calibrator(found: Calibrations) -> str:
    way = "are taken as they are" if found.best == "as_is" else f"are corrected by `{found.best}`"
    return (
        f"Labels {way}, which has the least log loss. Slope of the log-odds: {_number(found.slope, 2)}; 1 is "
        "calibrated, less is too sure, 0 knows nothing. Always saying one half has a Brier of 0.250 and a "
        "log loss of 0.693."
    )


def _abstention(figures: Figures) -> str:
    if (found := figures.abstention) is None:
        return "Too few usable pairs."
    rows = []
    for wanted in _COVERAGES:
        kept = min(found.curve, key=lambda point: abs(point.coverage - wanted))
        rows.append(
            [f"{100 * kept.coverage:.0f} %", f"{100 * kept.accuracy:.1f} %", f"{100 * kept.confidence:.1f} %"]
        )
    note = (
        f"Mean accuracy over all coverages: {percent(found.area)}; equal to the accuracy if sureness says "
        "nothing."
    )
    return f"{table(['pairs kept, surest first', 'right', 'sure at least'], rows)}\n\n{note}"


def _voters(found: Voters, kind: str) -> str:
    if not found.by_name:
        return f"No vote of a {kind} could be used."
    rows = [
        [
            cell(name),
            str(one.pairs),
            percent(one.accuracy) if one.accuracy else "–",
            f"{100 * one.confidence:.0f} %" if one.confidence is not None else "–",
            percent(one.decides) if one.decides else "–",
        ]
        for name, one in found.by_name.items()
    ]
    header = [kind, "pairs", "agrees with people", "mean sureness", "decides"]
    return "\n\n".join([table(header, rows), *_between(found)])


def _between(found: Voters) -> Iterator[str]:
    if all(one.decides is None for one in found.by_name.values()):
        yield "One principle voted on each pair; `labeling.principles: all` shows which decide or contradict."
        return
    if found.idle:
        yield f"Never decide a pair: {', '.join(cell(name) for name in found.idle)}."
    rows = [
        [" / ".join(cell(name) for name in each.between), str(each.share.n), percent(each.share)]
        for each in found.contradictions
        if each.share.value > 0
    ]
    if rows:
        yield table(["name different responses", "pairs", "how often"], rows)


def _files(found: Audit) -> str:
    rows = [[cell(each.source), each.form, str(each.pairs), cell(_rest(each))] for each in found.files]
    parts = [table(["file", "form", "pairs", ""], rows, numbers=False)] if rows else []
    if found.failed:
        reasons = ", ".join(f"{cell(reason)} {count}" for reason, count in sorted(found.failed.items()))
        parts.append(f"The judge could not be asked about {sum(found.failed.values())} pairs: {reasons}.")
    return "\n\n".join(parts) or "–"


def _rest(file: HumanFile) -> str:
    rest = [f"{count} left out: {reason}" for reason, count in sorted(file.left_out.items())]
    return "; ".join([*rest, *([f"{len(file.problems)} rows with a problem"] if file.problems else [])])


def _surest(audited: Sequence[Audited]) -> str:
    wrong = sorted(
        (
            (each.judgment.probability, each.pair)
            for each in clean(audited)
            if each.judgment.probability is not None and each.judgment.probability < 0.5
        ),
        key=lambda item: (item[0], item[1].id),
    )
    if not wrong:
        return "None: the judge is with people on every pair."
    shown = wrong[:_SUREST]
    note = f"The {len(shown)} pairs of {len(wrong)} in which it is most sure of the other response."
    return "\n\n".join([note, *_pairs(shown)])


def _pairs(wrong: Iterable[tuple[float, HumanPair]]) -> Iterator[str]:
    for probability, pair in wrong:
        asked = "\n".join(f"{message.role}: {message.content}" for message in pair.conversation)
        yield (
            f"### {cell(pair.id)}: P(people's choice) {100 * probability:.1f} %\n\n{_text(asked)}\n\n"
            f"People's choice:\n\n{_text(pair.chosen)}\n\nThe judge's:\n\n{_text(pair.rejected)}"
        )


def _text(text: str) -> str:
    return fenced(text if len(text) <= _CLIPPED else f"{text[:_CLIPPED]} […]")
