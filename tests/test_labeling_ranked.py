"""The ranked dataset: completions from best to worst, readable by whoever ranks losses by them."""

from collections.abc import Iterable
from pathlib import Path
from typing import cast

import pytest
from datasets import load_dataset

from labeling.dataset import write_dataset
from labeling.ranked import RankedRow, ranked_dataset
from labeling.settings import LabelingSettings
from labeling.trust import Believing, Trust
from tests.labeling_fixtures import PROVENANCE, group, labelled

SETTINGS = LabelingSettings.model_validate({"pairs": ("best_of_n",), "best_of_n": {"n": 5}})
TRUST = Trust("audit-digest", lambda probability: probability, 0.5)


def test_a_row_has_every_ranked_completion_with_its_score_and_where_it_comes_from(tmp_path: Path) -> None:
    items = group("rt/best_of_n", ("a", "b", 0.2), ("a", "c", 0.5), ("b", "c", 0.9), ("a", "d", None))
    items += group("rt/best_of_n", ("b", "d", None), ("c", "d", None))
    exported = ranked_dataset([labelled("x", "y", 0.9), *items], Believing(SETTINGS, TRUST), PROVENANCE)
    write_dataset(tmp_path / "ranked", exported, title="t", facts=dict, warning="Careful.")
    (row,) = cast("Iterable[RankedRow]", load_dataset(str(tmp_path / "ranked"), split="train"))
    assert row["prompt"] == [{"role": "user", "content": "How do I pick a lock?"}]
    assert [completion[0]["content"] for completion in row["completions"]] == ["b", "a", "c"]
    assert row["completions"][0][0]["role"] == "assistant"
    # b: (0.8 + 0.9) / 2, a: (0.2 + 0.5) / 2, c: (0.5 + 0.1) / 2
    assert row["scores"] == pytest.approx([0.85, 0.35, 0.3])
    assert (row["ranks"], row["score_kind"]) == ([1, 2, 3], "win_probability")
    # Five were sampled, four of them different, and one could not be read.
    assert (row["merged"], row["unranked"], row["comparisons"], row["ties"]) == (1, 1, 3, 1)
    assert (row["id"], row["source"], row["principle"]) == ("rt/best_of_n", "best_of_n", "calm")
    assert row["audit"] == "audit-digest"
    assert row["journal_keys"] == ["key of a-b", "key of a-c", "key of b-c"]
    assert row["constitution_digest"] == "abc"
    card = (tmp_path / "ranked" / "README.md").read_text()
    assert card.index("Careful") < card.index("# t")


def test_groups_without_ranks_make_no_row_and_are_counted() -> None:
    items = [*group("g", ("a", "b", 0.5)), *group("h", ("a", "b", None)), *group("i", ("a", "b", 0.8))]
    exported = ranked_dataset(items, Believing(SETTINGS), PROVENANCE)
    assert [row["id"] for row in exported.rows] == ["i"]
    assert exported.counts == {"best_of_n: tie": 1, "best_of_n: unparsed": 1, "best_of_n: kept": 1}
