"""Which answers are good enough to learn from, by rules that look at the text alone.

A model's revision can fail in ways that nobody needs a judge to see: cut off, unchanged, copied from the
worked example, running in circles, quoting the template. Such text stays in the trajectory with its reason
and stays out of the datasets. What the rules keep is not necessarily good; they are not a judge.
"""

import difflib
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from constitution.model import Constitution
from critique.model import SelectionSettings, Text, Trajectory

Reason = Literal["kept", "empty", "cut_off", "unchanged", "copied_example", "repetitive", "quotes_template"]
TEMPLATE_WORDS = re.compile(
    r"(?m)^\s*(User|Assistant|Human|Critique|Revision|CritiqueRequest|RevisionRequest):"
)


@dataclass(frozen=True, slots=True)
class Selected:
    """One answer of a trajectory and what the rules say of it. Round 0 is an answer as first given."""

    round: int
    answer: Text
    reason: Reason
    principle: str | None = None

    @property
    def kept(self) -> bool:
        return self.reason == "kept"


def select(trajectory: Trajectory, constitution: Constitution, settings: SelectionSettings) -> list[Selected]:
    """Every answer that could be learnt from: a helpful prompt's samples, a red-team prompt's revisions."""
    if trajectory.request.kind == "helpful":
        keep = settings.keep_cut_off != "none"
        return [
            Selected(0, sample, fault_in_text(sample, settings, keep_cut_off=keep))
            for sample in trajectory.samples
        ]
    before = [trajectory.response, *(done.revision for done in trajectory.rounds)]
    rounds = list(enumerate(trajectory.rounds, start=1))
    if settings.rounds == "last":
        rounds = rounds[-1:]
    elif settings.rounds != "all":
        rounds = [(number, done) for number, done in rounds if number in settings.rounds]
    return [
        Selected(
            number,
            done.revision,
            _fault_in_revision(
                done.revision,
                before[number - 1],
                settings,
                shown=_revisions(constitution, done.principle, done.examples),
            ),
            done.principle,
        )
        for number, done in rounds
    ]


def fault_in_text(answer: Text, settings: SelectionSettings, *, keep_cut_off: bool) -> Reason:
    """What is wrong with an answer whatever it should have said."""
    if not answer.text.strip():
        return "empty"
    if answer.cut_off and not keep_cut_off:
        return "cut_off"
    if repetition(answer.text.split()) > settings.max_repetition:
        return "repetitive"
    return "kept"


def _fault_in_revision(
    revision: Text, before: Text, settings: SelectionSettings, *, shown: Sequence[str]
) -> Reason:
    fault = fault_in_text(revision, settings, keep_cut_off=settings.keep_cut_off == "all")
    if fault != "kept":
        return fault
    if TEMPLATE_WORDS.search(revision.text):
        return "quotes_template"
    if similarity(revision.text, before.text) > settings.max_similarity:
        return "unchanged"
    if any(similarity(revision.text, text) > settings.max_example_similarity for text in shown):
        return "copied_example"
    return "kept"


def similarity(one: str, other: str) -> float:
    """Share of words in common runs, from 0 to 1 (Ratcliff and Obershelp 1988)."""
    return difflib.SequenceMatcher(None, one.lower().split(), other.lower().split(), autojunk=False).ratio()


def repetition(words: Sequence[str], size: int = 3) -> float:
    """Share of word n-grams that occurred before in the same text, from 0 to 1."""
    ngrams = Counter(tuple(words[i : i + size]) for i in range(len(words) - size + 1))
    total = sum(ngrams.values())
    return 1 - len(ngrams) / total if total else 0.0


def _revisions(constitution: Constitution, principle: str, prompts: Sequence[str]) -> list[str]:
    examples = constitution.get(principle).examples
    return [example.revision for example in examples if example.revision and example.prompt in prompts]
