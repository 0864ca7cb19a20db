"""A constitution: the principles that a model is held to, and how one of them is drawn.

In: checked data from `load` or `importer`. Out: the first noun of the whole way. Critique and revision draw a
principle that has those requests, labeling one that has a comparison question; every record that is made
carries the principle's id and the constitution's digest.
"""

import hashlib
import json
import math
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


NOTHING = "nothing"
"""What `finds` says of a response without the fault."""


class Example(Section):
    """A worked example: an answer, what the principle finds in it, and the better answer.

    With a `critique` it is shown to models (few-shot); `solon constitution test` holds a judge's own critique
    against what every example says is to be found.
    """

    prompt: Text = Field(description="what the person asks; earlier turns, if any, stand before it")
    response: Text = Field(description="the initial answer")
    critique: Text | None = Field(
        default=None,
        description="what the principle's critique request brings to light in it; an example without one is "
        "tested and not shown",
    )
    revision: Text | None = Field(
        default=None, description="the better answer; left out where the critique finds nothing to change"
    )
    finds: Text | None = Field(
        default=None,
        description="what a critique of it must find, in a few words, or `nothing`; left out: what "
        "`critique` says, and nothing where there is no revision",
    )

    @model_validator(mode="after")
    def _says_what_is_to_be_found(self) -> Self:
        if self.critique is None and self.finds is None:
            raise ValueError("an example needs a `critique`, to be shown, or `finds`, to be tested, or both")
        if self.critique is None and self.revision is not None:
            raise ValueError("`revision` is shown behind a critique: write `critique`, or leave it out")
        if self.fault is None and self.revision is not None:
            raise ValueError("`finds: nothing` and a `revision`: where nothing is found, nothing is changed")
        return self

    @property
    def fault(self) -> str | None:
        """What a critique of the response must find; None where there is nothing to be found."""
        if self.finds is None:
            return self.critique if self.revision is not None else None
        return None if self.finds.rstrip(".").casefold() == NOTHING else self.finds


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
        default=(),
        description="worked examples, which few-shot critique and revision show to the model and "
        "`solon constitution test` holds critiques against",
    )
    comparisons: tuple[WorkedComparison, ...] = Field(
        default=(),
        description="worked comparisons, which few-shot labeling shows to the judge and "
        "`solon constitution test` asks it",
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
        """A principle to critique and revise by, drawn by weight; takes one number from the generator.

        Other words in a principle change no draw. Another weight, or another principle, moves the place of
        all that follow it, and so most draws: the comparisons' race would not, and is not used here because
        the figures that the quickstart states were measured on these draws.
        """
        able = [principle for principle in self.principles if principle.can_revise]
        self._require(able, "critique and revision requests")
        return rng.choices(able, [principle.weight for principle in able])[0]

    def draw_comparison(self, rng: random.Random) -> Principle:
        """The first of those that `draw_comparisons` draws, whatever their number."""
        return self._raced(rng, "a comparison question")[0]

    def draw_comparisons(self, rng: random.Random, count: int) -> tuple[Principle, ...]:
        """So many different principles to compare by, drawn by weight one after the other.

        All that can be drawn, in the constitution's order, where there are no more. Takes one number from the
        generator. A draw changes only where a principle that was added, removed or given another weight wins
        or loses it, and never by other words.
        """
        raced = self._raced(rng, "a comparison question")
        if len(raced) > count:
            return tuple(raced[:count])
        drawn = {principle.id for principle in raced}
        return tuple(principle for principle in self.principles if principle.id in drawn)

    def _raced(self, rng: random.Random, lacking: str) -> list[Principle]:
        """All principles to compare by, the first ones first: each arrives after an exponential time.

        The times have the weights as rates, so the order is that of drawing by weight without replacement
        (Efraimidis and Spirakis 2006). Each time comes of the id and of one number of the generator, and so
        does not depend on which others run.
        """
        able = [each for each in self.principles if each.can_compare and each.weight > 0]
        self._require(able, lacking)
        salt = rng.getrandbits(64)
        return sorted(able, key=lambda each: (_waiting(salt, each.id) / each.weight, each.id))

    def _require(self, able: Sequence[Principle], lacking: str) -> None:
        if not any(principle.weight for principle in able):
            raise ValueError(
                f"constitution '{self.name}' has no principle with {lacking} and a weight above 0; add one"
            )

    def _unknown(self, kind: str, name: str, names: Sequence[str]) -> UnknownNameError:
        suggestion = nearest(name, names)
        meant = f"did you mean '{suggestion}'?" if suggestion else f"it has {', '.join(names) or 'none'}"
        return UnknownNameError(f"constitution '{self.name}' has no {kind} '{name}'; {meant}")


def _waiting(salt: int, name: str) -> float:
    """An exponential time of rate 1 that follows from both: -ln of a number between 0 and 1."""
    digest = hashlib.sha256(f"{salt}/{name}".encode()).digest()
    return -math.log((int.from_bytes(digest[:7]) + 0.5) / 2**56)
