"""An audit as a whole: what it finds of scripted judges of known habits, kept and read back."""

from dataclasses import replace
from pathlib import Path

import pytest
from audit_fixtures import audited, pairs, truthful
from labeling_fixtures import always_a

from engine.scripted import ScriptedEngine, Weigh
from labeling.audit.model import HumanPair
from labeling.audit.record import EVERY_FORM, Audit, audit, read_audit, write_audit
from labeling.audit.thresholds import Thresholds
from labeling.settings import LabelingSettings
from pipeline.shards import StoreError


async def found(
    folder: Path,
    choice: Weigh,
    given: list[HumanPair],
    *,
    probed: int = 0,
    thresholds: Thresholds | None = None,
) -> Audit:
    answers = await audited(ScriptedEngine(choice=choice), folder, given, probed=probed)
    return audit(
        answers,
        given,
        LabelingSettings(),
        thresholds=thresholds or Thresholds(),
        judge={"judge": "scripted"},
    )


async def test_a_truthful_judge_passes_and_is_moved_by_nothing(tmp_path: Path) -> None:
    seen = await found(tmp_path, truthful(), pairs(120), probed=60)
    assert seen.verdict.passed, [check.reason for check in seen.verdict.failures]
    assert seen.figures.agreement is not None
    assert seen.figures.agreement.accuracy.value == 1
    every = seen.figures.injections[EVERY_FORM]
    assert every is not None
    assert (every.rate.value, every.rate.n) == (0, 60)
    assert len(seen.figures.injections) > 20


async def test_a_judge_that_always_says_a_is_at_chance_inconsistent_and_fails(tmp_path: Path) -> None:
    seen = await found(tmp_path, always_a, pairs(120))
    assert seen.figures.agreement is not None
    assert seen.figures.agreement.accuracy.value == 0.5
    assert seen.figures.position is not None
    assert seen.figures.position.consistency.value == 0
    assert {check.name for check in seen.verdict.failures} >= {"accuracy", "swap consistency"}


async def test_a_pair_without_an_answer_is_an_opinion_that_cannot_be_used(tmp_path: Path) -> None:
    given = pairs(40)
    answers = await audited(ScriptedEngine(choice=truthful()), tmp_path, given[:30])
    seen = audit(
        answers, given, LabelingSettings(), thresholds=Thresholds(), judge={}, failed={"too_long": 10}
    )
    assert (seen.figures.pairs, seen.figures.usable, seen.figures.unparsed.value) == (40, 30, 0.25)


async def test_agreement_is_shown_for_each_file(tmp_path: Path) -> None:
    given = [*pairs(10), *pairs(20, source="other")]
    seen = await found(tmp_path, truthful(), given)
    assert {name: kind.pairs for name, kind in seen.by_source.items()} == {"file": 10, "other": 20}


async def test_the_digest_follows_what_was_found_and_not_the_thresholds(tmp_path: Path) -> None:
    given = pairs(40)
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    one = await found(tmp_path / "one", truthful(), given)
    other = await found(tmp_path / "two", truthful(0.8), given)
    stricter = replace(one, verdict=other.verdict)
    assert one.digest == stricter.digest
    assert len({one.digest, other.digest, replace(one, judge={"judge": "another"}).digest}) == 3


async def test_a_record_is_read_back_and_calibrates(tmp_path: Path) -> None:
    seen = await found(tmp_path, always_a, pairs(60))
    write_audit(tmp_path / "audit.json", seen)
    record = read_audit(tmp_path / "audit.json")
    assert (record.digest, record.passed) == (seen.digest, False)
    assert record.failures == seen.verdict.failures
    assert "agrees with people in 50.0 %" in record.accuracy
    # The letter follows the place alone, so no probability of such a judge says anything.
    assert record.calibrated(0.5) == pytest.approx(0.5)


def test_a_file_that_is_no_audit_is_told_so(tmp_path: Path) -> None:
    for text in ("", "{}", '{"digest": 1, "figures": {}, "verdict": []}'):
        (tmp_path / "audit.json").write_text(text)
        with pytest.raises(StoreError, match="run `solon audit` again"):
            read_audit(tmp_path / "audit.json")
