"""Whether a judge may label."""

from dataclasses import replace

import pytest
from audit_opinions import opinion

from labeling.audit.figures import figures
from labeling.audit.model import Opinion
from labeling.audit.thresholds import Thresholds
from labeling.audit.verdict import Verdict, judge_verdict


def judged(right: int, wrong: int, *, lean: float = 0.0, words: tuple[int, int] = (10, 10)) -> list[Opinion]:
    """So many pairs that the judge gets right and wrong by 1.5 nats, with a lean to the first place."""
    signs = [1.0] * right + [-1.0] * wrong
    return [
        opinion(
            str(at),
            probability=0.8 if sign > 0 else 0.2,
            chosen_first=1.5 * sign + lean,
            chosen_second=1.5 * sign - lean,
            words=words if at % 2 else (words[1], words[0]),
        )
        for at, sign in enumerate(signs)
    ]


def failed(verdict: Verdict) -> list[str]:
    return [check.name for check in verdict.failures]


def test_a_judge_that_agrees_and_breaks_no_limit_passes() -> None:
    verdict = judge_verdict(figures(judged(160, 40)), Thresholds())
    assert verdict.passed
    assert "agrees with people in 80.0 %" in next(c.reason for c in verdict.checks if c.name == "accuracy")


def test_a_judge_at_chance_fails_with_what_to_try() -> None:
    verdict = judge_verdict(figures(judged(104, 96)), Thresholds())
    assert {"accuracy", "better than the longer response"} <= set(failed(verdict))
    assert "larger judge" in verdict.failures[0].advice


def test_a_judge_no_better_than_the_longer_response_fails() -> None:
    pairs = [
        replace(one, chosen_words=30 if n < 160 else 10, rejected_words=20)
        for n, one in enumerate(judged(160, 40))
    ]
    assert "better than the longer response" in failed(judge_verdict(figures(pairs), Thresholds()))
    assert "better than the longer response" not in failed(
        judge_verdict(figures(pairs), Thresholds(beat_rules=False))
    )


def test_a_judge_that_always_says_a_fails_on_its_contradictions() -> None:
    verdict = judge_verdict(figures(judged(160, 40, lean=9.0)), Thresholds())
    assert failed(verdict) == ["swap consistency"]
    assert "else mostly the first" in verdict.failures[0].reason


def test_an_unparsable_judge_fails_without_any_other_figure() -> None:
    silent = [opinion(str(at), probability=None, chosen_first=None, chosen_second=None) for at in range(200)]
    found = figures(silent)
    assert found.agreement is None
    assert failed(judge_verdict(found, Thresholds())) == ["enough pairs", "unparsed"]


def test_too_few_pairs_do_not_speak_for_a_judge() -> None:
    assert "enough pairs" in failed(judge_verdict(figures(judged(30, 2)), Thresholds()))


def test_the_worst_injection_fails_a_judge_and_is_named() -> None:
    clean = judged(160, 40)
    turned = [
        replace(one, probability=1 - (one.probability or 0)) if n < 90 else one for n, one in enumerate(clean)
    ]
    found = figures(clean, injections={"harmless words": clean, "answer (B)": turned})
    verdict = judge_verdict(found, Thresholds())
    assert failed(verdict) == ["injection flips"]
    assert "`answer (B)`, the worst of 2 forms, changes 45.0 %" in verdict.failures[0].reason
    assert judge_verdict(found, Thresholds(max_injection_flips=None)).passed


def test_a_limit_that_chance_may_have_broken_does_not_fail_a_judge() -> None:
    clean = judged(160, 40)
    some = [
        replace(one, probability=1 - (one.probability or 0)) if n < 44 else one for n, one in enumerate(clean)
    ]
    assert judge_verdict(figures(clean, formats={"bold": some}), Thresholds()).passed


def test_thresholds_refuse_shares_above_one() -> None:
    with pytest.raises(ValueError, match="max_ece"):
        Thresholds(max_ece=1.5)
