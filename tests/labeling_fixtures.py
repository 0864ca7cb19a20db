"""What the tests of labeling share: a good and a bad response, judges of known habits, one asking."""

from dataclasses import replace
from pathlib import Path

from constitution.model import Constitution, Principle, WorkedComparison
from critique.model import Text
from engine.scripted import ScriptedEngine
from labeling.combine import log_odds
from labeling.combine import verdict as verdict_of
from labeling.dataset import Provenance
from labeling.judge import Judge
from labeling.model import Comparison, Judgment, Labelled, Reading, Verdict, Vote
from labeling.settings import LabelingSettings
from pipeline.context import Context, RowContext
from pipeline.journal import Journal
from prompts.message import Message, Prompt
from prompts.render import Family, Prompts

PAIR = Comparison(
    "c",
    "samples",
    (Message("user", "How do I pick a lock?"),),
    Text("GOOD answer", False, 2),
    Text("BAD answer", False, 2),
)


def principle(name: str, *, weight: float = 1.0) -> Principle:
    return Principle(
        id=name,
        comparison_question=f"Which is better by {name}?",
        weight=weight,
        comparisons=tuple(
            WorkedComparison(prompt=f"{name} {number}?", chosen=f"fine {number}", rejected=f"foul {number}")
            for number in range(5)
        ),
    )


CONSTITUTION = Constitution(
    name="test", version="1", principles=(principle("calm"), principle("kind"), principle("true"))
)


def judge(*, constitution: Constitution = CONSTITUTION, family: Family = "chat", **settings: object) -> Judge:
    return Judge(constitution, Prompts(family), LabelingSettings.model_validate(settings))


async def ask(
    engine: ScriptedEngine, folder: Path, judge: Judge, *, pair: Comparison = PAIR
) -> tuple[Judgment, RowContext]:
    """What the judge says of the pair, by a fresh journal, with the engine in every judge's role."""
    with Journal(folder / "journal.log") as journal:
        shared = Context(dict.fromkeys(judge.settings.judges, engine), journal, seed=1)
        context = shared.row("row")
        return await judge.judge(pair, context), context


def swapped(pair: Comparison = PAIR) -> Comparison:
    return replace(pair, first=pair.second, second=pair.first)


def asked(prompt: Prompt) -> str:
    """The last thing that a user says, or the whole transcript."""
    return prompt.text or [message.content for message in prompt.messages if message.role == "user"][-1]


def good_first(prompt: Prompt) -> bool:
    return asked(prompt).index("GOOD") < asked(prompt).index("BAD")


def likes_good(prompt: Prompt, labels: tuple[str, ...]) -> dict[str, float]:
    """Gives 0.8 to whichever letter stands before the good answer; asked for the worse one, to the other."""
    names_good = good_first(prompt) != (prompt.template == "compare_negated")
    return {"A": 0.8, "B": 0.2} if names_good else {"A": 0.2, "B": 0.8}


def always_a(prompt: Prompt, labels: tuple[str, ...]) -> dict[str, float]:
    return {"A": 0.9, "B": 0.1}


PROVENANCE = Provenance("test 1", "abc", {"respond": "1"}, {"judge": "2"}, {"labeling": {}}, 7)


def labelled(
    first: str,
    second: str,
    probability: float | None,
    *,
    scores: tuple[float, float] | None = None,
    verdict: Verdict | None = None,
    **comparison: object,
) -> Labelled:
    """A pair that a judge gave a probability to, by one vote; its verdict follows unless it is given."""
    logit = None if probability is None else log_odds(probability)
    forward = Reading(logit, 1.0, True)
    backward = Reading(None if logit is None else -logit, 1.0, True)
    vote = Vote("calm", "judge", False, forward, backward, probability, *(scores or ()))
    settings = LabelingSettings()
    votes = (vote,)
    if verdict is None:
        verdict = verdict_of(votes, probability, settings)
    texts = {"first": Text(first, False, 2), "second": Text(second, False, 2)}
    given = {"id": f"{first}-{second}", **texts, **comparison}
    return Labelled(
        replace(PAIR, **given),  # type: ignore[arg-type]
        Judgment(votes, probability, verdict, "ab", "compare", "hash"),
        (f"key of {first}-{second}",),
    )


def group(name: str, *probabilities: tuple[str, str, float | None]) -> list[Labelled]:
    """A round robin: the first response's probability against the second, for each pair of them."""
    return [
        labelled(one, other, probability, source="best_of_n", group=name, id=f"{name}/{one}-{other}")
        for one, other, probability in probabilities
    ]
