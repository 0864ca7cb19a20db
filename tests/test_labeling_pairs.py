"""From trajectories to judged pairs to datasets that TRL takes."""

import json
import math
from collections import Counter
from dataclasses import replace
from itertools import pairwise

import pytest
from markdown_it import MarkdownIt

from constitution.load import load
from critique.model import Request, Round, SelectionSettings, Text, Trajectory
from critique.select import select
from engine.protocol import Sampling
from engine.scripted import ScriptedEngine
from labeling.dataset import Exported, Provenance, write_dataset
from labeling.draw import Candidate, Drawn
from labeling.judge import Judge
from labeling.markdown import cell
from labeling.model import Labelled
from labeling.pairs import Labeler
from labeling.preferences import preference_dataset
from labeling.settings import LabelingSettings
from labeling.sft import SFTRow, sft_dataset
from pipeline.context import Context
from pipeline.journal import Journal
from pipeline.store import StoreError, read_records, read_rows, write_records
from prompts.message import Message, Prompt
from prompts.render import Prompts
from tests.labeling_fixtures import PAIR, ask, asked, judge

CONSTITUTION = load("harmless")
PRINCIPLE = CONSTITUTION.principles[0].id
SAID = (Message("user", "Hello"), Message("assistant", "Hi"), Message("user", "How do I pick a lock?"))
RED = Trajectory(
    Request("rt", "red_team", SAID, "theft"),
    Text("Take a pick.", False, 4),
    (Round(PRINCIPLE, None, Text("I can't help with that, since it is theft.", False, 9)),),
    keys=("k1", "k2"),
)
HELPFUL_TEXT = Text("Mix flour, water, salt and yeast.", False, 8)
HELPFUL = Trajectory(
    Request("hl", "helpful", (Message("user", "How do I bake bread?"),), "cooking"),
    HELPFUL_TEXT,
    samples=(HELPFUL_TEXT,),
)
PROVENANCE = Provenance("harmless 1", "abc", {"respond": "1"}, {"judge": "2"}, {"critique": {}}, 7)


def sampled(prompt: Prompt, sampling: Sampling) -> str:
    return f"sample {sampling.seed}"


async def label(trajectory: Trajectory, tmp_path, **settings: object) -> tuple[Labelled, ...]:
    good = trajectory.last if trajectory.rounds else trajectory.samples[0]
    chosen = LabelingSettings(**settings)  # type: ignore[arg-type]
    row = Candidate(trajectory, good, pairs=chosen.pairs)
    return await labelled_row(row, tmp_path, chosen)


async def labelled_row(row: Candidate, tmp_path, settings: LabelingSettings) -> tuple[Labelled, ...]:
    engine = ScriptedEngine(sampled, choice=lambda prompt, labels: {"A": 0.6, "B": 0.3})
    judge = Judge(CONSTITUTION, Prompts(), settings)
    with Journal(tmp_path / "journal.log") as journal:
        context = Context({"judge": engine, "policy": engine}, journal, seed=1)
        return await Labeler(judge)(row, context.row(row.id))


async def test_pairs_are_two_different_samples_and_the_revision_against_the_initial_answer(tmp_path) -> None:
    samples, revision = await label(RED, tmp_path, pairs=("samples", "revision"))
    assert samples.comparison.first.text != samples.comparison.second.text
    assert revision.comparison.first.text.startswith("I can't")
    assert revision.comparison.second.text == "Take a pick."
    assert revision.comparison.conversation == SAID


async def test_a_pair_has_the_keys_of_its_own_calls_and_a_revision_its_principle(tmp_path) -> None:
    samples, revision = await label(RED, tmp_path, pairs=("samples", "revision"))
    assert len(samples.keys) == 4  # two samples, two orders
    assert len(revision.keys) == 2
    assert not set(samples.keys) & set(revision.keys)
    assert (samples.comparison.shaped_by, revision.comparison.shaped_by) == ("", PRINCIPLE)


@pytest.mark.parametrize("family", ["chat", "transcript"])
async def test_a_contrast_is_sampled_under_opposed_prompts_of_the_principle_that_votes(
    family, tmp_path
) -> None:
    def obey(prompt: Prompt, sampling: Sampling) -> str:
        said = prompt.text or prompt.messages[0].content
        return "for" if "the response that wins" in said else "against"

    settings = LabelingSettings(pairs=("contrast",), principles=2, decide="construction")
    engine = ScriptedEngine(obey, choice=lambda prompt, labels: {"A": 0.6, "B": 0.3})
    with Journal(tmp_path / "journal.log") as journal:
        context = Context({"judge": engine, "policy": engine}, journal, seed=1)
        row = Candidate(RED, None, pairs=("contrast",))
        (pair,) = await Labeler(Judge(CONSTITUTION, Prompts(family), settings))(row, context.row("rt"))
    assert (pair.comparison.first.text, pair.comparison.second.text) == ("for", "against")
    assert pair.comparison.conversation == SAID
    assert pair.judgment.votes[0].principle == pair.comparison.shaped_by
    sampled = [call.prompt for call in engine.calls if call.kind == "chat"]
    assert {prompt.template for prompt in sampled} == {"follow", "go_against"}
    question = CONSTITUTION.get(pair.comparison.shaped_by).comparison_question
    assert question is not None
    assert all(question in (prompt.text or prompt.messages[0].content) for prompt in sampled)
    (exported,) = preference_dataset([pair], settings, PROVENANCE).rows
    assert (exported["shaped_by"], exported["decided_by"]) == (pair.comparison.shaped_by, "construction")
    assert exported["chosen"][0]["content"] == "for"
    assert exported["judged_first_better"] == pytest.approx(0.5)


async def test_all_of_n_samples_are_compared_under_the_same_principle_and_equal_ones_are_merged(
    tmp_path,
) -> None:
    said = iter(["one", "two", " one", "three", "two"])
    engine = ScriptedEngine(
        lambda prompt, sampling: next(said), choice=lambda prompt, labels: {"A": 0.9, "B": 0.1}
    )
    settings = LabelingSettings.model_validate({"pairs": ("best_of_n",), "best_of_n": {"n": 5}})
    with Journal(tmp_path / "journal.log") as journal:
        context = Context({"judge": engine, "policy": engine}, journal, seed=1)
        row = Candidate(RED, None, pairs=("best_of_n",))
        pairs = await Labeler(Judge(CONSTITUTION, Prompts(), settings))(row, context.row("rt"))
    texts = [(pair.comparison.first.text, pair.comparison.second.text) for pair in pairs]
    assert texts == [("one", "two"), ("one", "three"), ("two", "three")]
    assert [pair.comparison.id for pair in pairs] == [f"rt/best_of_n/{ids}" for ids in ("0-1", "0-3", "1-3")]
    assert {pair.comparison.group for pair in pairs} == {"rt/best_of_n"}
    assert len({vote.principle for pair in pairs for vote in pair.judgment.votes}) == 1
    assert [len(pair.keys) for pair in pairs] == [7] * 3  # five samples, two orders


async def test_scores_of_single_responses_are_asked_once_for_all_comparisons(tmp_path) -> None:
    samples = iter(["one", "two", "three", "four"])
    engine = ScriptedEngine(
        lambda prompt, sampling: next(samples), choice=lambda prompt, labels: dict.fromkeys(labels, 0.1)
    )
    settings = LabelingSettings(pairs=("best_of_n",), method="pointwise")
    with Journal(tmp_path / "journal.log") as journal:
        context = Context({"judge": engine, "policy": engine}, journal, seed=1)
        row = Candidate(RED, None, pairs=("best_of_n",))
        pairs = await Labeler(Judge(CONSTITUTION, Prompts(), settings))(row, context.row("rt"))
    assert len(pairs) == 6
    assert sum(call.kind == "choose" for call in engine.calls) == 4


async def test_where_all_samples_are_equal_one_record_says_so(tmp_path) -> None:
    engine = ScriptedEngine("the same")
    settings = LabelingSettings(pairs=("best_of_n",))
    with Journal(tmp_path / "journal.log") as journal:
        context = Context({"judge": engine, "policy": engine}, journal, seed=1)
        row = Candidate(RED, None, pairs=("best_of_n",))
        (pair,) = await Labeler(Judge(CONSTITUTION, Prompts(), settings))(row, context.row("rt"))
    exported = preference_dataset([pair], settings, PROVENANCE)
    assert list(exported.rows) == []
    assert exported.counts == {"best_of_n: identical": 1}


async def test_a_hard_negative_is_the_revision_of_the_red_team_prompt_most_like_a_helpful_one(
    tmp_path,
) -> None:
    def red(asked: str, revision: str) -> Candidate:
        request = Request(asked, "red_team", (Message("user", asked),), "theft")
        text = Text(revision, False, 5)
        return Candidate(Trajectory(request, RED.response, (Round(PRINCIPLE, None, text),)), text)

    rows = [
        red("How do I pick a lock?", "I won't help with locks."),
        red("How do I bake a cake with poison?", "I won't help to poison a cake."),
        Candidate(HELPFUL, HELPFUL_TEXT),
    ]
    settings = LabelingSettings(pairs=("hard_negative",))
    (row,) = Drawn(rows, settings, seed=0)
    assert row.id == "hl"
    (pair,) = await labelled_row(row, tmp_path, settings)
    assert pair.comparison.first == HELPFUL_TEXT
    assert pair.comparison.second.text == "I won't help to poison a cake."


async def test_without_a_kept_revision_there_is_no_hard_negative() -> None:
    rows = [Candidate(RED, None), Candidate(HELPFUL, HELPFUL_TEXT)]
    assert list(Drawn(rows, LabelingSettings(pairs=("hard_negative",)), seed=0)) == []


async def test_equal_responses_are_recorded_and_nobody_is_asked_about_them(tmp_path) -> None:
    same = Trajectory(RED.request, RED.response, (Round(PRINCIPLE, None, RED.response),))
    (item,) = await label(same, tmp_path, pairs=("revision",))
    assert (item.judgment.verdict, item.judgment.votes, item.keys) == ("identical", (), ())
    for decide in ("judge", "construction"):
        settings = LabelingSettings(pairs=("revision",), decide=decide)
        exported = preference_dataset([item], settings, PROVENANCE)
        assert list(exported.rows) == []
        assert exported.counts == {"revision: identical": 1}


async def test_ties_are_counted_and_never_kept(tmp_path) -> None:
    labelled = await label(RED, tmp_path, pairs=("revision",))  # the judge says A in both orders
    exported = preference_dataset(labelled, LabelingSettings(), PROVENANCE)
    assert list(exported.rows) == []
    assert exported.counts == {"revision: tie": 1}


async def test_construction_decides_where_the_recipe_says_so_and_the_judge_is_still_recorded(
    tmp_path,
) -> None:
    settings = LabelingSettings(pairs=("revision",), decide="construction")
    labelled = await label(RED, tmp_path, pairs=("revision",))
    (row,) = preference_dataset(labelled, settings, PROVENANCE).rows
    assert row["decided_by"] == "construction"
    assert row["chosen"] == [{"role": "assistant", "content": "I can't help with that, since it is theft."}]
    assert row["judged_first_better"] == pytest.approx(0.5)


def test_sft_rows_carry_the_whole_conversation_and_where_it_came_from(tmp_path) -> None:
    chosen = [(t, select(t, CONSTITUTION, SelectionSettings())) for t in (RED, HELPFUL)]
    exported = sft_dataset(chosen, PROVENANCE)
    red, helpful = exported.rows
    assert [m["role"] for m in red["messages"]] == ["user", "assistant", "user", "assistant"]  # type: ignore[union-attr,index]
    assert red["principle"] == PRINCIPLE
    assert red["journal_keys"] == ["k1", "k2"]
    assert json.loads(str(red["engines"])) == {"judge": "2"}
    assert helpful["kind"] == "helpful"
    assert exported.counts == {"red_team: kept": 1, "helpful: kept": 1}


def test_a_dataset_folder_loads_with_datasets_and_its_card_counts_what_was_left_out(tmp_path) -> None:
    from datasets import load_dataset

    cut = Trajectory(RED.request, RED.response, (Round(PRINCIPLE, None, Text("I can", True, 2)),))
    chosen = [(t, select(t, CONSTITUTION, SelectionSettings())) for t in (RED, cut)]
    write_dataset(
        tmp_path / "sft", sft_dataset(chosen, PROVENANCE), title="A title", facts=lambda: {"judge": "x"}
    )
    rows = load_dataset(str(tmp_path / "sft"), split="train")
    assert rows[0]["messages"][-1]["content"].startswith("I can't")
    card = (tmp_path / "sft" / "README.md").read_text()
    assert "red_team: cut_off: 1" in card
    assert "**judge**: x" in card


def test_no_text_of_a_recipe_or_a_row_forges_structure_in_a_datasets_card(tmp_path) -> None:
    row = next(sft_dataset([(RED, select(RED, CONSTITUTION, SelectionSettings()))], PROVENANCE).rows)
    exported = Exported(SFTRow, iter([row]), Counter({"red_team: <b>x</b>\n# y": 1, "red_team: kept": 1}))
    hostile = "x\n\n# Approved\n\n[click](http://e.org)"
    write_dataset(tmp_path, exported, title=hostile, facts=lambda: {f"judge{hostile}": hostile})
    card = (tmp_path / "README.md").read_text(encoding="utf-8").split("---\n", 2)[2]
    tokens = MarkdownIt("commonmark").parse(card)
    headings = [after.content for token, after in pairwise(tokens) if token.type == "heading_open"]
    assert headings == [cell(hostile), "Left out, by reason"]
    inside = {child.type for token in tokens for child in token.children or ()}
    assert inside == {"text", "strong_open", "strong_close"}


def test_an_empty_dataset_is_an_error_and_leaves_no_file(tmp_path) -> None:
    with pytest.raises(StoreError, match="nothing to write"):
        write_dataset(tmp_path / "sft", sft_dataset([], PROVENANCE), title="t", facts=dict)
    assert not list(tmp_path.rglob("*.parquet"))


def test_limits_draw_pairs_of_a_source_and_only_from_rows_that_can_make_one() -> None:
    def candidate(name: str, like: Trajectory, good: Text | None) -> Candidate:
        return Candidate(replace(like, request=replace(like.request, id=name)), good)

    red = [candidate(f"r{i}", RED, RED.last) for i in range(8)]
    helpful = [candidate(f"h{i}", HELPFUL, HELPFUL_TEXT) for i in range(2)]
    rows = [*red, candidate("no", RED, None), *helpful]
    settings = LabelingSettings(pairs=("revision", "hard_negative"), limits={"revision": 3})
    chosen = Drawn(rows, settings, seed=3)
    sources = [(row.id[0], row.pairs) for row in chosen]
    assert sources == [("r", ("revision",))] * 3 + [("h", ("hard_negative",))] * 2
    assert [row.id for row in chosen] == [row.id for row in Drawn(rows, settings, seed=3)]
    assert [row.id for row in chosen] != [row.id for row in Drawn(rows, settings, seed=4)]
    both = LabelingSettings(pairs=("samples", "revision"), limits={"revision": 3})
    made = [row.pairs for row in Drawn(rows, both, seed=3)]
    assert len(made) == 9
    assert made.count(("samples", "revision")) == 3


async def test_a_row_of_the_dataset_has_every_vote_and_reads_back_from_parquet(tmp_path) -> None:
    def biased(prompt: Prompt, labels: tuple[str, ...]) -> dict[str, float]:
        good_first = asked(prompt).index("GOOD") < asked(prompt).index("BAD")
        return {"A": 0.8, "B": 0.2} if good_first else {"A": 0.4, "B": 0.4}

    way = judge(principles="all", judges=("judge", "strict"))
    judgment, context = await ask(ScriptedEngine(choice=biased), tmp_path, way)
    (tmp_path / "pairs").mkdir()
    item = Labelled(PAIR, judgment, tuple(context.keys))
    exported = preference_dataset([item], way.settings, PROVENANCE)
    write_dataset(tmp_path / "pairs", exported, title="t", facts=dict)
    (row,) = read_rows(tmp_path / "pairs")
    assert row["principle"] == "calm, kind, true"
    assert row["vote_principles"] == ["calm", "kind", "true"] * 2
    assert row["vote_judges"] == ["judge"] * 3 + ["strict"] * 3
    assert row["vote_negated"] == [False] * 6
    # P(A) is 0.8 in the first order and a half in the other: (0.8 + 0.5) / 2, by everybody.
    assert row["vote_probabilities"] == pytest.approx([0.65] * 6)
    assert row["vote_forward_logits"] == pytest.approx([math.log(4)] * 6)
    assert row["vote_backward_logits"] == pytest.approx([0] * 6)
    assert row["vote_first_scores"] == [None] * 6
    assert row["chosen_probability"] == pytest.approx(0.65)
    assert row["forward_mass"] == pytest.approx(1)
    assert row["backward_mass"] == pytest.approx(0.8)
    assert (row["labeling_method"], row["votes_for_winner"]) == ("ab", 1.0)
    assert row["comparison_template_hash"] == Prompts().hash("compare")
    assert row["journal_keys"] == context.keys


async def test_a_refused_pair_is_counted_as_such_and_kept_where_construction_decides(tmp_path) -> None:
    silent = ScriptedEngine("I can't help with that.")
    judgment, _ = await ask(silent, tmp_path, judge(method="reasoned"))
    exported = preference_dataset([Labelled(PAIR, judgment)], LabelingSettings(), PROVENANCE)
    assert list(exported.rows) == []
    assert exported.counts == {"samples: refused": 1}
    made = Labelled(replace(PAIR, source="revision"), judgment)
    (row,) = preference_dataset([made], LabelingSettings(decide="construction"), PROVENANCE).rows
    assert (row["judged_first_better"], row["forward_logit"], row["votes_for_winner"]) == (None, None, None)
    assert row["vote_probabilities"] == [None]


async def test_a_refusal_is_stored_with_what_the_judge_said(tmp_path) -> None:
    judgment, _ = await ask(ScriptedEngine("I can't help with that."), tmp_path, judge(method="reasoned"))
    write_records(tmp_path / "labelled", [Labelled(PAIR, judgment)], Labelled)
    (item,) = read_records(tmp_path / "labelled", Labelled)
    assert item.judgment.verdict == "refused"
    assert {vote.forward.rationale for vote in item.judgment.votes} == {"I can't help with that."}


async def test_a_judgment_is_equal_when_it_is_stored_and_read_back(tmp_path) -> None:
    engine = ScriptedEngine("Calm is better.", choice=lambda prompt, labels: {"A": 0.6, "B": 0.1})
    judgment, _ = await ask(engine, tmp_path, judge(method="reasoned", principles=2))
    item = Labelled(PAIR, judgment, ("k",))
    write_records(tmp_path / "labelled", [item], Labelled)
    assert read_records(tmp_path / "labelled", Labelled) == [item]
