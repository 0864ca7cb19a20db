"""Why a judgment is no label; labels under an audit: calibrated, its digest on every pair, warnings first."""

from pathlib import Path

import pytest
from labeling_fixtures import PAIR
from labeling_fixtures import labelled as judged

from critique.model import Text
from labeling.dataset import Provenance, write_dataset
from labeling.model import Comparison, Judgment, Labelled, Origin, Reading, Vote
from labeling.preferences import preference_dataset
from labeling.settings import LabelingSettings
from labeling.trust import Believing, Trust

PROVENANCE = Provenance("test 1", "digest", {}, {}, {}, seed=0)


def halved(probability: float) -> float:
    """As far from one half as half of what the judge says."""
    return 0.5 + (probability - 0.5) / 2


TRUST = Trust("0123456789abcdef", halved, min_confidence=0.6)


def labelled(probability: float, *, source: Origin = "samples", name: str = "c") -> Labelled:
    reading = Reading(0.0, 1.0, argmax_is_label=True)
    vote = Vote("calm", "judge", False, reading, reading, probability)
    verdict = "first" if probability > 0.5 else "second"
    judgment = Judgment((vote,), probability, verdict, "ab", "compare", "hash")
    comparison = Comparison(name, source, PAIR.conversation, Text("one", False, 1), Text("two", False, 1))
    return Labelled(comparison, judgment)


def test_a_label_is_calibrated_and_says_by_which_audit() -> None:
    (row,) = preference_dataset([labelled(0.1)], LabelingSettings(), PROVENANCE, trust=TRUST).rows
    # 0.1 for the first is 0.3 calibrated, so 0.7 for the second, which wins.
    assert row["chosen"][0]["content"] == "two"
    assert row["chosen_probability"] == pytest.approx(0.7)
    assert (row["judged_first_better"], row["calibrated_first_better"]) == (0.1, pytest.approx(0.3))
    assert row["audit"] == "0123456789abcdef"


def test_a_label_below_the_calibrated_confidence_is_a_tie() -> None:
    dataset = preference_dataset(
        [labelled(0.69), labelled(0.71), labelled(0.31), labelled(0.29)],
        LabelingSettings(),
        PROVENANCE,
        trust=TRUST,
    )
    assert len(list(dataset.rows)) == 2
    assert dataset.counts == {"samples: kept": 2, "samples: tie, below the calibrated confidence": 2}


def test_construction_needs_no_confidence_and_keeps_the_judges_opinion() -> None:
    settings = LabelingSettings(pairs=("revision",), decide="construction")
    (row,) = preference_dataset([labelled(0.45, source="revision")], settings, PROVENANCE, trust=TRUST).rows
    assert (row["decided_by"], row["chosen_probability"]) == ("construction", 1.0)
    assert row["calibrated_first_better"] == pytest.approx(0.475)


def test_without_an_audit_the_judges_probability_is_taken_as_it_is() -> None:
    (row,) = preference_dataset([labelled(0.51)], LabelingSettings(), PROVENANCE).rows
    assert (row["chosen_probability"], row["audit"], row["calibrated_first_better"]) == (0.51, "", None)


def test_what_a_reader_must_know_stands_before_the_title(tmp_path: Path) -> None:
    dataset = preference_dataset([labelled(0.9)], LabelingSettings(), PROVENANCE)
    write_dataset(tmp_path / "data", dataset, title="Pairs", facts=dict, warning="Unaudited: beware.")
    text = (tmp_path / "data" / "README.md").read_text().split("---\n")[2]
    assert text.strip().startswith("> **Unaudited: beware.**\n\n# Pairs")


def reason(probability: float | None, **settings: object) -> str:
    chosen = LabelingSettings.model_validate(settings)
    verdict = "tie" if probability is not None else None
    return Believing(chosen)(judged("a", "b", probability, verdict=verdict).judgment).why


def test_every_reason_has_a_name() -> None:
    assert reason(None) == "unparsed"
    assert reason(0.5) == "tie"
    assert reason(0.52, tie_margin=0.05) == "low margin"
    assert Believing(LabelingSettings())(judged("a", "a", None, verdict="identical").judgment).why == (
        "identical"
    )


def test_orders_that_disagree_are_told_from_a_low_margin() -> None:
    item = judged("a", "b", 0.7, verdict="tie")
    vote = item.judgment.votes[0]
    biased = type(vote)(
        vote.principle, vote.judge, False, vote.forward, vote.forward, vote.probability
    )  # the first position in both orders
    judgment = type(item.judgment)((biased,), 0.7, "tie", "ab", "compare", "hash")
    assert Believing(LabelingSettings(require_agreement=True))(judgment).why == "orders disagree"


def test_a_winner_is_believed_with_its_calibrated_probability_if_that_is_enough() -> None:
    judgment = judged("a", "b", 0.9).judgment
    assert Believing(LabelingSettings())(judgment).winner == "first"
    calm = Trust("d", lambda probability: 0.5 + (probability - 0.5) / 4, min_confidence=0.55)
    belief = Believing(LabelingSettings(), calm)(judgment)
    assert (belief.winner, belief.probability) == ("first", pytest.approx(0.6))
    strict = Trust("d", calm.calibrated, min_confidence=0.65)
    assert Believing(LabelingSettings(), strict)(judgment).why == "tie, below the calibrated confidence"
