"""A constitution: the principles that a model is held to, and how one of them is drawn.

In: checked data from `load` or `importer`. Out: the first noun of the whole way. Critique and revision draw a
principle that has those requests, labeling one that has a comparison question; every record that is made
carries the principle's id and the constitution's digest.
"""

import hashlib
import json
import random
import re
from collections.abc import Sequence
from functools import cached_property
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, StringConstraints, WithJsonSchema, model_validator

from constitution.document import Section, nearest

_SLUG = "[a-z0-9][a-z0-9-]*"


def _slug(name: str) -> str:
    if re.fullmatch(_SLUG, name) is None:
        raise ValueError(
            f"`{name}` is not a name: use lower-case letters, digits and hyphens, as in `self-harm`"
        )
    return name


Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]
"""Text that says something; the blank space around it is no part of it."""

Description = Annotated[str, StringConstraints(strip_whitespace=True)]
Slug = Annotated[str, AfterValidator(_slug), WithJsonSchema({"type": "string", "pattern": f"^{_SLUG}$"})]
Weight = Annotated[float, Field(ge=0, le=1_000_000)]


class UnknownNameError(LookupError):
    """A principle or tag that the constitution does not have; the message names the nearest one."""


class Example(Section):
    """A worked example: an answer, what the principle finds in it, and the better answer."""

    prompt: Text = Field(description="what the person asks; earlier turns, if any, stand before it")
    response: Text = Field(description="the initial answer")
    critique: Text = Field(description="what the principle's critique request brings to light in it")
    revision: Text | None = Field(
        default=None, description="the better answer; left out where the critique finds nothing to change"
    )


class Turn(Section):
    """What one of the two says in a worked comparison's conversation."""

    role: Literal["user", "assistant"] = Field(description="who speaks: user or assistant")
    content: Text = Field(description="what is said")


class WorkedComparison(Section):
    """Two responses to one conversation, and which of them the principle prefers."""

    prompt: Text | None = Field(default=None, description="what the person asks, in a single turn")
    conversation: tuple[Turn, ...] = Field(
        default=(), description="in place of `prompt`: several turns, the last one the user's"
    )
    chosen: Text = Field(description="the response that the principle prefers")
    rejected: Text = Field(description="the other response")
    reason: Text | None = Field(default=None, description="why, in a sentence or two")

    @model_validator(mode="after")
    def _is_a_comparison(self) -> Self:
        if (self.prompt is None) == (not self.conversation):
            raise ValueError("a comparison has a `prompt`, or a `conversation` of several turns: one of them")
        if self.turns[-1].role != "user":
            raise ValueError("the conversation ends with the assistant's turn: its last turn is the user's")
        if self.chosen == self.rejected:
            raise ValueError("`chosen` and `rejected` are the same text: one of them must be better")
        return self

    @property
    def turns(self) -> tuple[Turn, ...]:
        """The conversation that both responses answer; a prompt is one of a single turn."""
        return (Turn(role="user", content=self.prompt),) if self.prompt is not None else self.conversation


class Principle(Section):
    """One thing that is wanted, in words for a model: to critique by, to revise by, to compare by."""

    id: Slug = Field(description="its name: lower-case letters, digits and hyphens; every record carries it")
    critique_request: Text | None = Field(
        default=None, description="asks a model to find where the last answer falls short of the principle"
    )
    revision_request: Text | None = Field(
        default=None, description="asks a model to rewrite the last answer so that it keeps to the principle"
    )
    comparison_question: Text | None = Field(
        default=None, description="asks a judge which of two answers keeps better to the principle"
    )
    weight: Weight = Field(
        default=1.0, description="how often it is drawn, relative to the others; 0 means never"
    )
    tags: tuple[Slug, ...] = Field(default=(), description="names to select it by, of the same form as an id")
    source: Text | None = Field(default=None, description="where its words come from")
    examples: tuple[Example, ...] = Field(
        default=(), description="worked examples, which few-shot critique and revision show to the model"
    )
    comparisons: tuple[WorkedComparison, ...] = Field(
        default=(), description="worked comparisons, which few-shot labeling shows to the judge"
    )

    @model_validator(mode="after")
    def _has_a_use(self) -> Self:
        if (self.critique_request is None) != (self.revision_request is None):
            missing = "critique_request" if self.critique_request is None else "revision_request"
            raise ValueError(f"`{missing}` is missing: a critique and a revision request come together")
        if not self.can_revise and not self.can_compare:
            raise ValueError(
                "the principle asks nothing: "
                "give it `critique_request` and `revision_request`, or `comparison_question`, or all three"
            )
        return self

    @property
    def can_revise(self) -> bool:
        """Whether it has a critique and a revision request."""
        return self.critique_request is not None and self.revision_request is not None

    @property
    def can_compare(self) -> bool:
        """Whether it has a comparison question."""
        return self.comparison_question is not None


class Constitution(Section):
    """A named set of principles. Its order is part of it: the same seed then draws the same principles."""

    name: Text
    version: Text
    description: Description = ""
    principles: tuple[Principle, ...]

    @model_validator(mode="after")
    def _can_be_drawn_from(self) -> Self:
        ids = [principle.id for principle in self.principles]
        twice = next((name for position, name in enumerate(ids) if name in ids[:position]), None)
        if twice is not None:
            raise ValueError(f"two principles have the id `{twice}`")
        if not any(principle.weight > 0 for principle in self.principles):
            raise ValueError("no principle can be drawn: at least one needs a weight above 0")
        return self

    @cached_property
    def digest(self) -> str:
        """SHA-256 (hex) of the content; the layout of the file and spelled-out defaults do not change it."""
        content = self.model_dump(mode="json", exclude_defaults=True)
        text = json.dumps(content, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()

    @property
    def tags(self) -> tuple[str, ...]:
        """All tags, in alphabetical order."""
        return tuple(sorted({tag for principle in self.principles for tag in principle.tags}))

    def get(self, principle_id: str) -> Principle:
        """The principle of that id; `UnknownNameError` if there is none."""
        for principle in self.principles:
            if principle.id == principle_id:
                return principle
        raise self._unknown("principle", principle_id, [principle.id for principle in self.principles])

    def select(self, tags: Sequence[str]) -> "Constitution":
        """The same constitution with only the principles that have one of the tags."""
        for tag in tags:
            if tag not in self.tags:
                raise self._unknown("tag", tag, self.tags)
        kept = tuple(principle for principle in self.principles if set(tags) & set(principle.tags))
        return Constitution(
            name=self.name, version=self.version, description=self.description, principles=kept
        )

    def draw_revision(self, rng: random.Random) -> Principle:
        """A principle to critique and revise by, drawn by weight; takes one number from the generator."""
        able = [principle for principle in self.principles if principle.can_revise]
        return self._draw(able, rng, lacking="critique and revision requests")

    def draw_comparison(self, rng: random.Random) -> Principle:
        """A principle to compare by, drawn by weight; takes one number from the generator."""
        able = [principle for principle in self.principles if principle.can_compare]
        return self._draw(able, rng, lacking="a comparison question")

    def draw_comparisons(self, rng: random.Random, count: int) -> tuple[Principle, ...]:
        """So many different principles to compare by, drawn by weight one after the other.

        All that can be drawn, in the constitution's order, where there are no more. The first is the one that
        `draw_comparison` draws.
        """
        able = [each for each in self.principles if each.can_compare and each.weight > 0]
        if 0 < len(able) <= count:
            return tuple(able)
        drawn: list[Principle] = []
        for _ in range(count):
            drawn.append(self._draw(able, rng, lacking="a comparison question"))
            able.remove(drawn[-1])
        return tuple(drawn)

    def _draw(self, able: list[Principle], rng: random.Random, *, lacking: str) -> Principle:
        weights = [principle.weight for principle in able]
        if not any(weights):
            raise ValueError(
                f"constitution '{self.name}' has no principle with {lacking} and a weight above 0; add one"
            )
        return rng.choices(able, weights)[0]

    def _unknown(self, kind: str, name: str, names: Sequence[str]) -> UnknownNameError:
        suggestion = nearest(name, names)
        meant = f"did you mean '{suggestion}'?" if suggestion else f"it has {', '.join(names) or 'none'}"
        return UnknownNameError(f"constitution '{self.name}' has no {kind} '{name}'; {meant}")
