"""What an edit flips in a run: only the calls that contain it are asked, and the run is left alone."""

import json
import re
from pathlib import Path

import pytest
from labeling_fixtures import asked, likes_good
from run_fixtures import carried_through, constitution, edited, made, principles, requests

from constitution.model import Constitution
from critique.model import Request
from engine.scripted import ScriptedEngine
from pipeline.context import Context
from pipeline.journal import Journal
from prompts.message import Message, Prompt
from solon.console import PlainReporter
from solon.constitution_diff import Compared, Flips, ask_flips, compare_in_run, flips_in_run
from solon.constitution_flips import describe_flips, flips_as_json
from solon.errors import BadInputError
from solon.run_folder import RunFolder, diff_folder
from solon.status import StatusError

FIVE = constitution(*principles("calm", "kind", "true", "fair", "plain"))
NEW = "Which is better by kindness to the weak?"


def contrary(prompt: Prompt, labels: tuple[str, ...]) -> dict[str, float]:
    """As `likes_good`, and the other way round where the new words are in the question."""
    likes = likes_good(prompt, labels)
    return {"A": likes["B"], "B": likes["A"]} if NEW in asked(prompt) else likes


async def flips(
    run: RunFolder, before: Constitution, after: Constitution, engine: ScriptedEngine
) -> tuple[Compared, Flips]:
    """As `flips_in_run`, of an engine that is open."""
    compared = compare_in_run(before, after, run.path)
    found = flips_in_run(compared, reporter=PlainReporter(), ask=False)
    found.asked = True
    with Journal(diff_folder(run.path) / "answers.log", also=[run.answers]) as journal:
        context = Context({"judge": engine}, journal, compared.loaded.recipe.seed)
        await ask_flips(compared, found, context, reporter=PlainReporter())
    return compared, found


async def test_an_edit_of_one_principle_over_500_pairs_asks_only_the_calls_that_contain_it(
    tmp_path: Path,
) -> None:
    run = await made(tmp_path / "run", FIVE, ScriptedEngine(choice=contrary), pairs=500)
    kept = run.answers.read_bytes()
    engine = ScriptedEngine(choice=contrary)
    after = edited(FIVE, "kind", comparison_question=NEW)
    compared, found = await flips(run, FIVE, after, engine)
    assert 60 < found.drawing.touched < 140
    assert (found.drawing.pairs, found.drawing.redrawn) == (500, 0)
    assert len(engine.calls) == 2 * found.drawing.touched
    assert all(NEW in asked(call.prompt) for call in engine.calls)
    assert (found.before.asked, found.after.asked) == (0, 2 * found.drawing.touched)
    flipped = [each for each in found.relabelled if each.flips]
    assert len(flipped) == found.drawing.touched
    assert {each.verdicts for each in flipped} == {("first", "second")}
    assert run.answers.read_bytes() == kept
    # A second time everything is found beside the run.
    again = ScriptedEngine(choice=contrary)
    _, same = await flips(run, FIVE, after, again)
    assert again.calls == []
    assert same.relabelled == found.relabelled
    said = describe_flips(compared, found)
    assert f"labels      {found.drawing.touched} of 500 pairs are touched, 0 of them draw" in said
    assert (
        f"dataset     pairs that change: {found.drawing.touched} (turned round: {found.drawing.touched})"
        in said
    )


async def test_a_principle_that_is_added_asks_only_the_pairs_that_draw_it(tmp_path: Path) -> None:
    run = await made(tmp_path / "run", FIVE, ScriptedEngine(choice=likes_good), pairs=120)
    engine = ScriptedEngine(choice=likes_good)
    after = constitution(*FIVE.principles, *principles("brief"))
    _, found = await flips(run, FIVE, after, engine)
    # A sixth of the pairs, and they all draw the new one.
    assert 8 < found.drawing.touched < 36
    assert found.drawing.redrawn == found.drawing.touched
    assert len(engine.calls) == 2 * found.drawing.touched
    assert all("by brief?" in asked(call.prompt) for call in engine.calls)
    assert all(each.redrawn and not each.flips for each in found.relabelled)


async def test_a_principle_that_is_removed_asks_only_the_pairs_that_drew_it(tmp_path: Path) -> None:
    run = await made(tmp_path / "run", FIVE, ScriptedEngine(choice=likes_good), pairs=60)
    engine = ScriptedEngine(choice=likes_good)
    after = constitution(*(each for each in FIVE.principles if each.id != "calm"))
    _, found = await flips(run, FIVE, after, engine)
    assert all(each.voters[0] == {"calm"} for each in found.relabelled)
    assert len(engine.calls) == 2 * found.drawing.touched


async def test_another_weight_asks_only_the_pairs_that_change_hands(tmp_path: Path) -> None:
    run = await made(tmp_path / "run", FIVE, ScriptedEngine(choice=likes_good), pairs=120)
    engine = ScriptedEngine(choice=likes_good)
    _, found = await flips(run, FIVE, edited(FIVE, "true", weight=2.0), engine)
    # From a fifth of the pairs to a third.
    assert 5 < found.drawing.touched < 30
    assert all(each.voters[1] == {"true"} for each in found.relabelled)
    assert len(engine.calls) == 2 * found.drawing.touched


async def test_words_that_only_critiques_hear_touch_no_label_and_the_other_way_round(tmp_path: Path) -> None:
    run = await made(tmp_path / "run", FIVE, ScriptedEngine("Fine.", choice=likes_good), pairs=30, rows=30)
    engine = ScriptedEngine("Fine.", choice=likes_good)
    after = edited(FIVE, "kind", critique_request="What of it is unkind?")
    _, found = await flips(run, FIVE, after, engine)
    assert found.drawing.touched == 0
    # The critiques come out the same, so that their revisions are found in the run's journal.
    assert found.rounds.touched == len(engine.calls) > 0
    assert all("What of it is unkind?" in asked(call.prompt) for call in engine.calls)
    other = ScriptedEngine("Fine.", choice=likes_good)
    _, found = await flips(run, FIVE, edited(FIVE, "kind", comparison_question=NEW), other)
    assert found.rounds.touched == 0
    assert found.drawing.touched > 0
    _, found = await flips(run, FIVE, edited(FIVE, "kind", tags=("care",)), other)
    assert (found.rounds.touched, found.drawing.touched) == (0, 0)


async def test_changed_critiques_are_shown_side_by_side_and_the_rounds_behind_them_written_anew(
    tmp_path: Path,
) -> None:
    def critic(prompt: Prompt, _sampling: object) -> str:
        return "UNKIND." if "unkind" in asked(prompt) else "KIND."

    two = "critique: {rounds: 2}\n"
    run = await made(tmp_path / "run", FIVE, ScriptedEngine(critic), rows=20, recipe=two)
    engine = ScriptedEngine(critic)
    after = edited(FIVE, "kind", critique_request="What of it is unkind?")
    compared, found = await flips(run, FIVE, after, engine)
    assert found.rounds.rounds == 40
    assert found.rounds.touched == sum(2 - each.round for each in found.rewritten)
    assert all(each.texts == ("KIND.", "UNKIND.") and each.changed for each in found.rewritten)
    assert found.before.asked == 0
    assert len(engine.calls) == found.after.asked
    said = describe_flips(compared, found)
    assert "    - kind: KIND.\n    + kind: UNKIND." in said
    assert flips_as_json(compared, found)["critiques"] == {
        "rounds": 40,
        "touched": found.rounds.touched,
        "redrawn": 0,
    }


CHAIN = "critique: {rounds: 2}\nlabeling: {pairs: [revision, hard_negative]}\n"
HARSH = "What of it is unkind?"


def writes(prompt: Prompt, _sampling: object) -> str:
    """A fair answer; good revisions of it, and a bad one after a critique by the edited words."""
    said = asked(prompt)
    number = "".join(filter(str.isdigit, said.partition("?")[0]))
    if "Critique: " in said and "UNKIND." in said:
        return f"BAD. Take what you like from {number}."
    if "Critique: " in said:
        begun = "FAIR" in said
        return f"GOOD. Ask whose {number} it is." if begun else "GOOD. I will not open other people's doors."
    if "What of it is" in said:
        return "UNKIND." if HARSH in said else "It could be better."
    return f"FAIR enough, the door of house {number} opens by a push."


def ranks(prompt: Prompt, _labels: tuple[str, ...]) -> dict[str, float]:
    """Good is better than fair, and fair than bad."""
    first, second, *_ = re.findall("GOOD|FAIR|BAD", asked(prompt))
    order = ["GOOD", "FAIR", "BAD"]
    if first == second:
        return {"A": 0.5, "B": 0.5}
    return {"A": 0.9, "B": 0.1} if order.index(first) < order.index(second) else {"A": 0.1, "B": 0.9}


async def test_an_edit_is_followed_from_the_critique_over_the_revision_to_the_label_and_the_pair(
    tmp_path: Path,
) -> None:
    # A word of its own ties each helpful prompt to one red-team prompt.
    words = {number: "abc"[number % 3] * number for number in range(3, 33)}
    given = [
        Request(f"{kind}-{number}", kind, (Message("user", f"Question {number}? {word}, {kind}"),))
        for kind in ("red_team", "helpful")
        for number, word in words.items()
    ]
    run = await carried_through(
        tmp_path / "run", FIVE, ScriptedEngine(writes, choice=ranks), given, recipe=CHAIN
    )
    kept = run.answers.read_bytes()
    engine = ScriptedEngine(writes, choice=ranks)
    after = edited(FIVE, "kind", critique_request=HARSH)
    compared, found = await flips(run, FIVE, after, engine)
    # Who draws the edited principle last ends in a bad revision; who draws it first alone, in a good one.
    last = {each.id for each in found.rewritten if each.after.rounds[-1].principle == "kind"}
    assert {each.id for each in found.rewritten if each.revised} == last
    assert 2 < len(last) < len(found.rewritten) < 30
    # The labels of these rows' pairs turn round; helpful prompts meet their revisions as hard negatives.
    flipped = {each.edited.pair.id for each in found.relabelled if each.flips}
    assert flipped >= {f"{row}/revision" for row in last}
    assert {each.partition("/")[2] for each in flipped} == {"revision", "hard_negative"}
    assert found.drawing.remade == found.drawing.touched == len(flipped)
    assert found.drawing.pairs == 60
    # Only what the edit reaches is asked: two labels for each pair with another text. Revised by the
    # edited words twice, an answer is unchanged the second time, and makes no pair.
    assert found.before.asked == 0
    assert run.answers.read_bytes() == kept
    labels = [call for call in engine.calls if call.kind == "choose"]
    assert len(labels) == 2 * sum(each.edited.after is not None for each in found.relabelled)
    critiques = [call for call in engine.calls if call.prompt.template == "critique"]
    assert all(HARSH in asked(call.prompt) or "BAD." in asked(call.prompt) for call in critiques)
    row = min(last)
    said = describe_flips(compared, found)
    assert f"{len(last)} rows end in another revision" in said
    told = {each["id"]: each for each in flips_as_json(compared, found)["touched_pairs"]}  # type: ignore[attr-defined]
    assert told[f"{row}/revision"]["remade"]
    assert told[f"{row}/revision"]["before"]["first"].startswith("GOOD.")
    assert told[f"{row}/revision"]["after"]["first"].startswith("BAD.")
    # The same a second time, and nothing is asked.
    again = ScriptedEngine(writes, choice=ranks)
    _, same = await flips(run, FIVE, after, again)
    assert again.calls == []
    assert same.relabelled == found.relabelled


async def test_a_revision_that_selection_would_leave_out_takes_its_pair_with_it(tmp_path: Path) -> None:
    def silent(prompt: Prompt, sampling: object) -> str:
        text = writes(prompt, sampling)
        return "" if text.startswith("BAD.") else text

    recipe = "labeling: {pairs: [revision]}\n"
    run = await carried_through(
        tmp_path / "run", FIVE, ScriptedEngine(silent, choice=ranks), requests(30), recipe=recipe
    )
    compared, found = await flips(
        run, FIVE, edited(FIVE, "kind", critique_request=HARSH), ScriptedEngine(silent, choice=ranks)
    )
    gone = [each for each in found.relabelled if each.edited.after is None]
    assert len(gone) == len(found.rewritten) == found.drawing.remade > 2
    assert flips_as_json(compared, found)["dataset"] == {"left out": len(gone)}
    assert "-> no pair" in describe_flips(compared, found)


async def test_a_run_that_was_made_with_another_constitution_is_asked_about_both(tmp_path: Path) -> None:
    run = await made(tmp_path / "run", FIVE, ScriptedEngine(choice=likes_good), pairs=30)
    before = edited(FIVE, "kind", comparison_question="Which was better by kindness?")
    engine = ScriptedEngine(choice=likes_good)
    compared, found = await flips(run, before, edited(FIVE, "kind", comparison_question=NEW), engine)
    assert found.before.asked == found.after.asked == 2 * found.drawing.touched
    assert not compared.made_with_before
    assert "the run was made with another constitution" in describe_flips(compared, found)


async def test_pairs_that_are_decided_by_construction_stay_whatever_the_judge_says(tmp_path: Path) -> None:
    recipe = "labeling: {pairs: [revision], decide: construction}\n"
    run = await made(tmp_path / "run", FIVE, ScriptedEngine(choice=contrary), pairs=20, recipe=recipe)
    after = edited(FIVE, "kind", comparison_question=NEW)
    compared, found = await flips(run, FIVE, after, ScriptedEngine(choice=contrary))
    told = flips_as_json(compared, found)
    assert told["verdicts"] == {"first -> second": found.drawing.touched}
    assert told["dataset"] == {}


async def test_a_pair_that_cannot_be_judged_any_more_is_counted_and_the_rest_goes_on(tmp_path: Path) -> None:
    run = await made(tmp_path / "run", FIVE, ScriptedEngine(choice=likes_good), pairs=60)

    def breaks(prompt: Prompt, labels: tuple[str, ...]) -> dict[str, float]:
        return {"A": float("nan"), "B": 0.5} if "Question 7?" in asked(prompt) else likes_good(prompt, labels)

    every = constitution(*(each.model_copy(update={"comparison_question": NEW}) for each in FIVE.principles))
    compared, found = await flips(run, FIVE, every, ScriptedEngine(choice=breaks))
    assert sum(found.failed.values()) == 1
    assert len(found.relabelled) == 59
    assert "failed      1 rows" in describe_flips(compared, found)


async def test_counting_asks_nothing_and_loads_no_model(tmp_path: Path) -> None:
    run = await made(tmp_path / "run", FIVE, ScriptedEngine(choice=likes_good), pairs=30)
    compared = compare_in_run(FIVE, edited(FIVE, "kind", comparison_question=NEW), run.path)
    found = flips_in_run(compared, reporter=PlainReporter(), ask=False)
    assert 0 < found.drawing.touched < 30
    assert not diff_folder(run.path).exists()
    assert "asked" not in describe_flips(compared, found)


async def test_an_edit_that_touches_nothing_asks_nothing_and_loads_no_model(tmp_path: Path) -> None:
    run = await made(tmp_path / "run", FIVE, ScriptedEngine(choice=likes_good), pairs=10)
    renamed = Constitution(name="other", version="2", principles=FIVE.principles[::-1])
    found = flips_in_run(compare_in_run(FIVE, renamed, run.path), reporter=PlainReporter())
    assert (found.drawing.touched, found.after.asked) == (0, 0)
    assert not diff_folder(run.path).exists()


async def test_the_run_may_be_going_on_meanwhile(tmp_path: Path) -> None:
    run = await made(tmp_path / "run", FIVE, ScriptedEngine(choice=likes_good), pairs=20)
    with Journal(run.answers):
        engine = ScriptedEngine(choice=likes_good)
        _, found = await flips(run, FIVE, edited(FIVE, "kind", comparison_question=NEW), engine)
    assert len(engine.calls) == 2 * found.drawing.touched > 0


async def test_what_a_run_cannot_be_compared_by_is_said_first(tmp_path: Path) -> None:
    with pytest.raises(StatusError, match="holds no run"):
        compare_in_run(FIVE, FIVE, tmp_path)
    run = await made(tmp_path / "run", FIVE, ScriptedEngine())
    with pytest.raises(BadInputError, match="neither critiques nor labels are made yet"):
        compare_in_run(FIVE, FIVE, run.path)
    labelled = await made(tmp_path / "labelled", FIVE, ScriptedEngine(choice=likes_good), pairs=2)
    mute = constitution(*(each.model_copy(update={"comparison_question": None}) for each in FIVE.principles))
    with pytest.raises(BadInputError, match="no principle with a weight above 0 can compare"):
        compare_in_run(FIVE, mute, labelled.path)


async def test_flipped_pairs_are_told_with_both_texts_and_probabilities(tmp_path: Path) -> None:
    run = await made(tmp_path / "run", FIVE, ScriptedEngine(choice=contrary), pairs=40)
    after = edited(FIVE, "kind", comparison_question=NEW)
    compared, found = await flips(run, FIVE, after, ScriptedEngine(choice=contrary))
    first = next(each for each in found.relabelled if each.flips)
    number = first.edited.pair.id.removeprefix("row-").removesuffix("/revision")
    assert (
        f"{first.edited.pair.id}: first 0.800 (kind) -> second 0.200 (kind)\n"
        f"    asked   Question {number}?\n"
        f"    first   GOOD answer {number}\n"
        f"    second  BAD answer {number}\n"
    ) in describe_flips(compared, found)
    told = json.loads(json.dumps(flips_as_json(compared, found)))
    assert len(told["touched_pairs"]) == found.drawing.touched
    number = told["touched_pairs"][0]["id"].removeprefix("row-").removesuffix("/revision")
    assert told["touched_pairs"][0]["before"] == {
        "first": f"GOOD answer {number}",
        "second": f"BAD answer {number}",
        "verdict": "first",
        "probability": pytest.approx(0.8),
        "principles": ["kind"],
    }
