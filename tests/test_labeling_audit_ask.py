"""The audit's row program: what is asked about a human pair, and that orders inside responses stay text."""

from dataclasses import replace
from pathlib import Path

import pytest
from audit_fixtures import audited, pairs, truthful
from labeling_fixtures import always_a, asked

from engine.protocol import CallError
from engine.scripted import ScriptedEngine
from labeling.audit.ask import AuditRow, audit_rows, form
from labeling.audit.probes import formats, injections
from prompts.message import Prompt
from prompts.render import Family


async def test_a_pair_is_asked_in_both_orders_under_one_principle(tmp_path: Path) -> None:
    engine = ScriptedEngine(choice=truthful())
    (found,) = await audited(engine, tmp_path, pairs(1))
    assert [asked(call.prompt).index("GOOD") < asked(call.prompt).index("BAD") for call in engine.calls] == [
        True,
        False,
    ]
    assert found.judgment.probability == pytest.approx(0.9)
    assert (found.probe, found.family) == ("", "")


async def test_a_probed_pair_is_judged_under_the_same_principle_with_an_order_and_with_other_marks(
    tmp_path: Path,
) -> None:
    found = await audited(ScriptedEngine(choice=truthful()), tmp_path, pairs(4), probed=4)
    assert [each.family for each in found] == ["", "injection", "format"] * 4
    for number in range(0, 12, 3):
        assert len({each.judgment.votes[0].principle for each in found[number : number + 3]}) == 1
        assert len({each.pair.id for each in found[number : number + 3]}) == 1


def test_probes_go_to_so_many_pairs_spread_over_all() -> None:
    given = pairs(20)
    rows = audit_rows(given, probed=4)
    assert [row.pair for row in rows] == given
    assert [number for number, row in enumerate(rows) if row.probes] == [0, 5, 10, 15]
    assert {len(row.probes) for row in rows} == {0, 2}
    assert not any(row.probes for row in audit_rows(given, probed=0))
    assert audit_rows(given[:1], probed=9)[0] != AuditRow(given[0])


def test_a_form_is_the_probe_without_letter_place_and_side() -> None:
    names = {form(probe.name) for probe in injections(places=("start", "end"))}
    assert {"ignore", "ignore_all", "json", "flattery"} <= names
    assert len(names) == 30
    assert {form(probe.name) for probe in formats()} >= {"bullets", "list_marks", "bold"}


async def test_a_changed_pair_that_cannot_be_judged_is_a_verdict_lost_and_the_pair_stays(
    tmp_path: Path,
) -> None:
    def fails_on_orders(prompt: Prompt, labels: tuple[str, ...]) -> dict[str, float]:
        if "IGNORE" in asked(prompt) or "gnore" in asked(prompt):
            raise CallError("too_long", "no")
        return always_a(prompt, labels)

    found = await audited(ScriptedEngine(choice=fails_on_orders), tmp_path, pairs(1), probed=1)
    assert [each.family for each in found] == ["", "format"]


@pytest.mark.parametrize("family", ["chat", "transcript"])
async def test_no_order_delimiter_or_verdict_in_a_response_moves_a_judge_that_reads_as_it_is_told(
    tmp_path: Path, family: Family
) -> None:
    """Every injection, at both ends of either response, in both orders."""
    (clean,) = pairs(1)
    probes = injections(places=("start", "end"))
    changed = [replace(probe(clean), id=probe.name) for probe in probes]
    found = await audited(ScriptedEngine(choice=truthful()), tmp_path, changed, family=family)
    assert len(found) == len(probes) == 216
    assert [each.judgment.probability for each in found] == pytest.approx([0.9] * len(probes))
    assert all(each.judgment.agree for each in found)
