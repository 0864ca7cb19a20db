"""An audit as a whole: the judge's answers and the pairs come in, a record goes out that reports and gates.

`audit.json` is the record on disk. `digest` names what was found, judge and pairs included; it travels with
every label that the judge decides.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from labeling.audit.agreement import Kind, agreement, usable
from labeling.audit.ask import Audited, clean, form
from labeling.audit.calibrator import Calibrator
from labeling.audit.estimate import Estimate, percent
from labeling.audit.figures import Figures, figures
from labeling.audit.human.load import HumanFile
from labeling.audit.model import HumanPair, Opinion
from labeling.audit.opinion import opinion_of
from labeling.audit.thresholds import Thresholds
from labeling.audit.verdict import Check, Verdict, judge_verdict
from labeling.audit.voters import Voters, voters
from labeling.settings import LabelingSettings
from pipeline.disk import write_whole
from pipeline.shards import StoreError

EVERY_FORM = "any form"
"""The name of the figure over all forms of an injection, or of a format, together."""


@dataclass(frozen=True, slots=True)
class Audit:
    """What was found of a judge.

    `judge` says who was asked and how, for people; `failed` counts pairs that it could not be asked about, by
    reason: they stand among the unparsed. `by_source` is the agreement on each file's pairs, `judges` what
    each one of a panel does.
    """

    judge: Mapping[str, str]
    files: Sequence[HumanFile]
    failed: Mapping[str, int]
    figures: Figures
    by_source: Mapping[str, Kind]
    principles: Voters
    judges: Voters | None
    verdict: Verdict

    @property
    def digest(self) -> str:
        """16 hexadecimal digits over the judge and all that was found; not over the recipe's thresholds."""
        found = {name: value for name, value in self._content().items() if name != "verdict"}
        return hashlib.sha256(json.dumps(found, sort_keys=True).encode()).hexdigest()[:16]

    def as_json(self) -> dict[str, object]:
        """Lists, mappings, numbers, text and null, ready for `json.dump`."""
        return {"digest": self.digest, **self._content()}

    def _content(self) -> dict[str, object]:
        return {
            "judge": dict(self.judge),
            "files": [
                {
                    "source": each.source,
                    "form": each.form,
                    "pairs": each.pairs,
                    "problems": len(each.problems),
                    "left_out": dict(each.left_out),
                }
                for each in self.files
            ],
            "failed": dict(self.failed),
            "figures": self.figures.as_json(),
            "by_source": {name: asdict(kind) for name, kind in self.by_source.items()},
            "principles": asdict(self.principles),
            "judges": asdict(self.judges) if self.judges else None,
            "verdict": self.verdict.as_json(),
        }


def audit(
    audited: Sequence[Audited],
    pairs: Sequence[HumanPair],
    settings: LabelingSettings,
    *,
    thresholds: Thresholds,
    judge: Mapping[str, str],
    files: Sequence[HumanFile] = (),
    failed: Mapping[str, int] | None = None,
    seed: int = 0,
) -> Audit:
    """Everything that follows from the judge's answers to at least one pair; the same for the same seed.

    A pair without an answer is an opinion that cannot be used.
    """
    own, panel = clean(audited), len(settings.judges) > 1
    opinions = _opinions(pairs, own)
    found = figures(
        opinions,
        injections=_variants(audited, "injection"),
        formats=_variants(audited, "format"),
        tie_margin=settings.tie_margin,
        seed=seed,
    )
    return Audit(
        judge=judge,
        files=files,
        failed=failed or {},
        figures=found,
        by_source=_by_source(opinions, settings.tie_margin),
        principles=voters(own, combine=settings.combine_votes),
        judges=voters(own, combine=settings.combine_votes, by="judge") if panel else None,
        verdict=judge_verdict(found, thresholds),
    )


def _opinions(pairs: Sequence[HumanPair], answered: Sequence[Audited]) -> list[Opinion]:
    judgments = {each.pair.id: each.judgment for each in answered}
    return [opinion_of(pair, judgments.get(pair.id)) for pair in pairs]


def _variants(audited: Sequence[Audited], family: str) -> dict[str, list[Opinion]]:
    """The opinions under each form of a family's probes, and under all of them."""
    variants: dict[str, list[Opinion]] = {}
    for each in audited:
        if each.family == family:
            opinion = opinion_of(each.pair, each.judgment)
            for name in (EVERY_FORM, form(each.probe)):
                variants.setdefault(name, []).append(opinion)
    return variants


def _by_source(opinions: Sequence[Opinion], tie_margin: float) -> Mapping[str, Kind]:
    if not usable(opinions):
        return {}
    return agreement([replace(one, kind=one.source) for one in opinions], tie_margin=tie_margin).by_kind


@dataclass(frozen=True, slots=True)
class AuditRecord:
    """What training and labels need to know of an audit: its digest, its verdict, and the calibrator.

    `accuracy` is in words, for cards. Without a calibrator too few pairs were usable to fit one.
    """

    digest: str
    passed: bool
    failures: tuple[Check, ...]
    accuracy: str
    calibrator: Calibrator | None

    def calibrated(self, probability: float) -> float:
        """The probability of a label as the audit corrects it."""
        return self.calibrator(probability) if self.calibrator else probability


def write_audit(path: Path, found: Audit) -> None:
    """Keep the record; the file appears whole or not at all."""
    write_whole(path, (json.dumps(found.as_json(), indent=2, allow_nan=False) + "\n").encode())


def read_audit(path: Path) -> AuditRecord:
    """What `write_audit` kept.

    Raises:
        StoreError: there is no such file, or it is not an audit's.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        found, verdict = content["figures"], content["verdict"]
        calibrations = found["calibration"]
        return AuditRecord(
            digest=content["digest"],
            passed=verdict["passed"],
            failures=tuple(Check(**check) for check in verdict["checks"] if not check["passed"]),
            accuracy=_accuracy(found["agreement"]),
            calibrator=Calibrator.from_json(calibrations["calibrator"]) if calibrations else None,
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StoreError(
            f"{path}: is no audit that can be read ({error}); run `solon audit` again"
        ) from error


def _accuracy(agreement: Mapping[str, Mapping[str, float]] | None) -> str:
    if agreement is None:
        return "no usable opinion"
    found = Estimate(**agreement["accuracy"])  # type: ignore[arg-type]
    return f"agrees with people in {percent(found)} of {found.n} pairs"
