"""The nouns of critique and revision: a request, its rounds, the whole trajectory, and the settings."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from pydantic import Field

from constitution.document import Section
from engine.protocol import Sampling
from prompts.message import Conversation

Kind = Literal["red_team", "helpful"]


class SamplingSettings(Section):
    """How one kind of text is sampled."""

    max_tokens: int = Field(default=256, ge=1, description="new tokens at the most")
    temperature: float = Field(default=1.0, ge=0, description="0 is greedy")
    top_p: float = Field(default=1.0, gt=0, le=1, description="share of the probability to sample from")

    def sampling(self) -> Sampling:
        return Sampling(max_tokens=self.max_tokens, temperature=self.temperature, top_p=self.top_p)


class CritiqueSettings(Section):
    """The SL stage: respond, then rounds of critique and revision (Bai et al. 2022, section 3)."""

    rounds: int = Field(default=1, ge=1, le=16, description="rounds of critique and revision")
    direct: bool = Field(default=False, description="revise without writing a critique first")
    revise_when: Literal["always", "found"] = Field(
        default="always", description="found: only where the critique finds something that must change"
    )
    examples: int = Field(
        default=0, ge=0, description="worked examples of the principle to show, the most related one last"
    )
    helpful_samples: int = Field(
        default=1, ge=1, description="samples of the assistant per helpful prompt, kept as they are"
    )
    respond: SamplingSettings = Field(default_factory=SamplingSettings, description="initial answers")
    critique: SamplingSettings = Field(
        default_factory=lambda: SamplingSettings(max_tokens=128), description="critiques"
    )
    revise: SamplingSettings = Field(default_factory=SamplingSettings, description="revisions")


@dataclass(frozen=True, slots=True)
class Request:
    """A conversation to answer: `red_team` ones are critiqued and revised, `helpful` ones only answered."""

    id: str
    kind: Kind
    conversation: Conversation
    category: str = ""
    columns: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Text:
    """Sampled text and how it ended; `cut_off` means that the length limit ended it."""

    text: str
    cut_off: bool
    tokens: int


@dataclass(frozen=True, slots=True)
class Round:
    """One round: the principle that was drawn, what it found, and the answer as it stands afterwards.

    `critique` is None with direct revision. `revised` is False where the critique found nothing to change
    (`revise_when: found`); the revision is then the answer before it.
    """

    principle: str
    critique: Text | None
    revision: Text
    revised: bool = True
    found_probability: float | None = None
    examples: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Trajectory:
    """All that was said about one request, every round kept, and where it came from."""

    request: Request
    response: Text
    rounds: tuple[Round, ...] = ()
    samples: tuple[Text, ...] = ()
    keys: tuple[str, ...] = ()

    @property
    def last(self) -> Text:
        return self.rounds[-1].revision if self.rounds else self.response
