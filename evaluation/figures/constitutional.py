"""What a run's own records say of its constitution: critiques and labels come in, figures go out.

Nobody is asked: the drafts that a run kept are graded as its models' answers were, and the principles that
labelled its pairs are held against what changed on the held-out prompts.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean
from typing import cast

from critique.model import Trajectory
from evaluation.figures.principles import LabelledPrompt, Moved, moved
from evaluation.figures.rates import paired
from evaluation.figures.revisions import Grades, Revisions, drafts, revisions
from evaluation.model import Evaluation, ModelResult
from prompts.message import Conversation, MessageDict


@dataclass(frozen=True, slots=True)
class Constitutional:
    """Rounds of revision, None where none were recorded; and which principles moved which model."""

    revisions: Revisions | None = None
    principles: Mapping[str, Sequence[Moved]] = field(default_factory=dict)


def constitutional(
    evaluation: Evaluation,
    trajectories: Iterable[Trajectory],
    preferences: Iterable[Mapping[str, object]],
    *,
    grades: Grades,
) -> Constitutional:
    """`preferences` are rows of the preference datasets that the models learnt from, of all runs."""
    pairs = [pair for row in preferences if (pair := labelled_prompt(row)).principles]
    base, *others = evaluation.results
    found = {
        result.name: principles
        for result in others
        if result.kind not in ("control", "sft") and (principles := moved(_changes(base, result), pairs))
    }
    return Constitutional(revisions(drafts(trajectories, grades)), found)


def labelled_prompt(row: Mapping[str, object]) -> LabelledPrompt:
    """A preference row's prompt, and the principles that its label is by.

    Where the pair was decided by how it was made, that is the principle which it was made by.
    """
    by = row["shaped_by"] if row["decided_by"] == "construction" else row["principle"]
    messages = cast("Sequence[MessageDict]", row["prompt"])
    text = "\n".join(message["content"] for message in messages if message["role"] == "user")
    return LabelledPrompt(text, tuple(name for name in str(by).split(", ") if name))


def _changes(base: ModelResult, result: ModelResult) -> dict[str, float]:
    """By a harmful prompt's text, how much more it is refused than by the base, over all runs."""
    found: dict[str, list[float]] = {}
    for was, one in paired(result.of_kind("harmful"), base.of_kind("harmful")):
        found.setdefault(_asked(one.answer.conversation), []).append(float(one.refused) - float(was.refused))
    return {text: fmean(changes) for text, changes in found.items()}


def _asked(conversation: Conversation) -> str:
    return "\n".join(message.content for message in conversation if message.role == "user")
