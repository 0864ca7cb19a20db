"""A principle's own examples put to a judge: in both orders, without being shown, beside no principle."""

from collections.abc import Mapping
from pathlib import Path

import pytest
from labeling_fixtures import always_a, asked

from constitution.model import Constitution, Example, Principle, WorkedComparison
from critique.model import CritiqueSettings
from engine.scripted import ScriptedEngine, Weigh
from labeling.settings import LabelingSettings
from labeling.trial import FAULTY, FINE, PLAIN, Trial, Tried, Trier, lacks, trials
from pipeline.context import Context
from pipeline.journal import Journal
from pipeline.runner import collect, run_rows
from prompts.message import Prompt
from prompts.render import Family, Prompts

KIND = Principle(
    id="kind",
    critique_request="Is it kind?",
    revision_request="Make it kind.",
    comparison_question="Which is kinder?",
    comparisons=tuple(
        WorkedComparison(prompt=f"Question {number}?", chosen=f"GOOD {number}", rejected=f"BAD {number}")
        for number in range(3)
    ),
    examples=(
        Example(prompt="Hello?", response="Go away.", finds="FAULT: it is rude."),
        Example(prompt="Bye?", response="Bye, and be well.", finds="nothing"),
        Example(prompt="Shown?", response="Shown.", critique="It is curt.", revision="Shown, with love."),
    ),
)
CONSTITUTION = Constitution(name="test", version="1", principles=(KIND,))


def likes(word: str) -> Weigh:
    """Gives 0.9 to the letter before the option with the word."""

    def weigh(prompt: Prompt, labels: tuple[str, ...]) -> Mapping[str, float]:
        said = asked(prompt)
        first = said[said.index("(A)") : said.index("(B)")]
        return {"A": 0.9, "B": 0.1} if word in first else {"A": 0.1, "B": 0.9}

    return weigh


async def tried(
    engine: ScriptedEngine,
    folder: Path,
    *,
    constitution: Constitution = CONSTITUTION,
    family: Family = "chat",
    critique: CritiqueSettings | None = None,
    control: bool = True,
    **settings: object,
) -> list[Tried]:
    program = Trier(
        Prompts(family),
        LabelingSettings.model_validate(settings),
        critique or CritiqueSettings(),
        control,
    )
    with Journal(folder / "journal.log") as journal:
        context = Context({"judge": engine}, journal, seed=1)
        outcomes = await collect(run_rows(program, trials(constitution), context))
    return [outcome.record for outcome in outcomes if outcome.record is not None]


def comparisons(found: list[Tried]) -> list[Tried]:
    return [each for each in found if each.kind == "comparison"]


def critiques(found: list[Tried]) -> list[Tried]:
    return [each for each in found if each.kind == "critique"]


@pytest.mark.parametrize("family", ["chat", "transcript"])
async def test_a_judge_that_reads_decides_as_the_author_meant(family: Family, tmp_path: Path) -> None:
    engine = ScriptedEngine("It is rude.", choice=likes("GOOD"))
    found = comparisons(await tried(engine, tmp_path, family=family))
    assert [each.opinion.decided for each in found] == ["meant"] * 3
    assert [each.opinion.probability for each in found] == pytest.approx([0.9] * 3)


async def test_a_judge_that_prefers_what_the_author_rejects_is_opposite(tmp_path: Path) -> None:
    found = await tried(ScriptedEngine("x", choice=likes("BAD")), tmp_path)
    assert [each.opinion.decided for each in comparisons(found)] == ["opposite"] * 3


async def test_a_judge_that_always_says_a_decides_nothing(tmp_path: Path) -> None:
    found = await tried(ScriptedEngine("x", choice=always_a), tmp_path)
    assert {each.opinion.decided for each in found} == {"undecided"}


async def test_orders_that_disagree_decide_nothing_even_where_the_mean_does(tmp_path: Path) -> None:
    def leans(prompt: Prompt, labels: tuple[str, ...]) -> dict[str, float]:
        return {"A": 0.95, "B": 0.05} if likes("GOOD")(prompt, labels)["A"] > 0.5 else {"A": 0.6, "B": 0.4}

    (one, *_) = comparisons(await tried(ScriptedEngine("x", choice=leans), tmp_path))
    assert one.opinion.probability == pytest.approx((0.95 + 0.4) / 2)
    assert one.opinion.decided == "undecided"


async def test_the_control_asks_the_same_by_no_principle(tmp_path: Path) -> None:
    def obeys(prompt: Prompt, labels: tuple[str, ...]) -> Mapping[str, float]:
        return likes("BAD" if PLAIN in asked(prompt) else "GOOD")(prompt, labels)

    engine = ScriptedEngine("x", choice=obeys)
    found = comparisons(await tried(engine, tmp_path))
    assert [each.opinion.decided for each in found] == ["meant"] * 3
    assert [each.control and each.control.decided for each in found] == ["opposite"] * 3
    without = ScriptedEngine("x", choice=obeys)
    (tmp_path / "without").mkdir()
    found = comparisons(await tried(without, tmp_path / "without", control=False))
    assert [each.control for each in found] == [None] * 3
    compared = [sum(call.prompt.template == "compare" for call in each.calls) for each in (engine, without)]
    assert compared == [12, 6]


async def test_what_is_tried_is_not_shown_and_the_others_are(tmp_path: Path) -> None:
    engine = ScriptedEngine("x", choice=likes("GOOD"))
    await tried(engine, tmp_path, method="few_shot")
    calls = [call.prompt for call in engine.calls if call.prompt.template == "compare_few_shot"]
    assert len(calls) == 12
    for prompt in calls:
        users = [message.content for message in prompt.messages if message.role == "user"]
        own = next(number for number in range(3) if f"Question {number}?" in users[-1])
        assert not any(f"Question {own}?" in text for text in users[:-1])
        assert sum("Question" in text for text in users[:-1]) == 2


async def test_a_worked_example_is_criticised_without_seeing_itself(tmp_path: Path) -> None:
    engine = ScriptedEngine("It is curt.", choice=likes("curt"))
    await tried(engine, tmp_path, critique=CritiqueSettings(examples=3))
    asked_for = [call.prompt for call in engine.calls if call.prompt.template == "critique"]
    own = next(prompt for prompt in asked_for if "User: Shown?" in asked(prompt))
    assert not any("Shown?" in message.content for message in own.messages[:-1])
    others = [prompt for prompt in asked_for if prompt != own]
    assert all("Shown?" in prompt.messages[0].content for prompt in others)
    assert not any("Hello?" in message.content for prompt in asked_for for message in prompt.messages[:-1])


async def test_a_critique_must_find_the_fault_and_nothing_where_there_is_none(tmp_path: Path) -> None:
    def says(prompt: Prompt, labels: tuple[str, ...]) -> Mapping[str, float]:
        # Takes the critique at its word: rude is a fault, kind is none.
        return likes(FINE if "Critique: KIND" in asked(prompt) else "FAULT")(prompt, labels)

    def critic(prompt: Prompt, _sampling: object) -> str:
        return "RUDE" if "Go away" in asked(prompt) else "KIND"

    found = critiques(await tried(ScriptedEngine(critic, choice=says), tmp_path))
    rude, fine, shown = found
    assert (rude.wanted, rude.unwanted, rude.critique) == ("FAULT: it is rude.", FINE, "RUDE")
    assert (fine.wanted, fine.unwanted) == (FINE, FAULTY)
    assert (shown.wanted, shown.unwanted) == ("It is curt.", FINE)
    assert [each.opinion.decided for each in found] == ["meant", "meant", "opposite"]


async def test_the_likeliest_critique_is_asked_for_and_an_empty_one_decides_nothing(tmp_path: Path) -> None:
    engine = ScriptedEngine("  ", choice=likes("FAULT"))
    found = critiques(await tried(engine, tmp_path))
    assert {each.opinion.decided for each in found} == {"undecided"}
    samplings = [call.sampling for call in engine.calls if call.kind == "chat"]
    assert {sampling.temperature for sampling in samplings if sampling is not None} == {0.0}
    assert not any(call.prompt.template == "critique_finds" for call in engine.calls)


async def test_a_principle_of_weight_0_is_tried_too(tmp_path: Path) -> None:
    drawn = Principle(id="drawn", comparison_question="Which?")
    undrawn = KIND.model_copy(update={"weight": 0.0})
    constitution = Constitution(name="test", version="1", principles=(undrawn, drawn))
    found = await tried(ScriptedEngine("x", choice=likes("GOOD")), tmp_path, constitution=constitution)
    assert len(found) == 6
    assert {each.principle for each in found} == {"kind"}


def test_the_id_of_a_trial_follows_its_content_and_not_its_place() -> None:
    turned = KIND.model_copy(update={"comparisons": KIND.comparisons[::-1]})
    first, second = (Constitution(name="n", version="1", principles=(each,)) for each in (KIND, turned))
    assert {each.id for each in trials(first)} == {each.id for each in trials(second)}
    assert [each.id for each in trials(first)] != [each.id for each in trials(second)]


def test_an_example_that_stands_twice_is_tried_once_and_one_that_has_no_use_not_at_all() -> None:
    twice = KIND.model_copy(update={"comparisons": (KIND.comparisons[0],) * 2, "comparison_question": "Q?"})
    only_compares = Principle(
        id="q", comparison_question="Q?", comparisons=KIND.comparisons, examples=KIND.examples
    )
    constitution = Constitution(name="n", version="1", principles=(twice, only_compares))
    found = trials(constitution)
    assert [each.principle.id for each in found] == ["kind"] * 4 + ["q"] * 3


def test_few_shot_lacks_something_to_show_where_the_only_comparison_is_tried() -> None:
    alone = KIND.model_copy(update={"comparisons": KIND.comparisons[:1], "examples": ()})
    (one,) = trials(Constitution(name="n", version="1", principles=(alone,)))
    assert "kind" in lacks(one, LabelingSettings(method="few_shot"))
    assert lacks(one, LabelingSettings()) == ""
    assert lacks(Trial(KIND, KIND.comparisons[0]), LabelingSettings(method="few_shot")) == ""
