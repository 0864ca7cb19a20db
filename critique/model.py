"""The nouns of critique and revision: a request, its rounds, the whole trajectory, and the settings."""

from dataclasses import dataclass
from typing import Literal

from pydantic import Field, PositiveInt, model_validator

from constitution.document import Section
from engine.protocol import Sampling
from prompts.message import Conversation

Kind = Literal["red_team", "helpful"]


class SamplingSettings(Section):
    """How one kind of text is sampled."""

    max_tokens: int = Field(default=256, ge=1, description="new tokens at the most")
    temperature: float = Field(default=1.0, ge=0, description="0 is greedy")
    top_p: float = Field(default=1.0, gt=0, le=1, description="share of the probability to sample from")
    stop: tuple[str, ...] = Field(default=(), description="texts at which an answer ends")

    def sampling(self) -> Sampling:
        return Sampling(
            max_tokens=self.max_tokens, temperature=self.temperature, top_p=self.top_p, stop=self.stop
        )


class SelectionSettings(Section):
    """Which answers may be learnt from, by rules on their text."""

    rounds: Literal["all", "last"] | tuple[PositiveInt, ...] = Field(
        default="all",
        description="whose revisions are learned from: every round's, as in the CAI paper, the last one's, "
        "or those of a list: [1, 2] makes the paper's SL-CAI-2 of four rounds. Pairs take the last of them",
    )
    keep_cut_off: Literal["none", "helpful", "all"] = Field(
        default="none",
        description="answers that the length limit ended: left out, kept for helpful prompts, or all kept; "
        "training then leaves out their end token, since they have no end",
    )
    max_similarity: float = Field(
        default=0.9, ge=0, le=1, description="a revision more like the answer before it changed nothing"
    )
    max_example_similarity: float = Field(
        default=0.8, ge=0, le=1, description="a revision more like a worked example that was shown is a copy"
    )
    max_repetition: float = Field(
        default=0.2, ge=0, le=1, description="share of repeated word triples above which text runs in circles"
    )


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
    helpful: SamplingSettings | None = Field(
        default=None, description="answers to helpful prompts; null: as initial answers"
    )
    critique: SamplingSettings = Field(
        default_factory=lambda: SamplingSettings(max_tokens=128), description="critiques"
    )
    revise: SamplingSettings = Field(default_factory=SamplingSettings, description="revisions")
    selection: SelectionSettings = Field(
        default_factory=SelectionSettings, description="which answers go into the datasets"
    )

    @model_validator(mode="after")
    def _chosen_rounds_are_there(self) -> "CritiqueSettings":
        chosen = self.selection.rounds
        if isinstance(chosen, tuple) and (not chosen or max(chosen) > self.rounds):
            there = "1" if self.rounds == 1 else f"1 to {self.rounds}"
            raise ValueError(f"selection.rounds names rounds that are there: {there}; it says {list(chosen)}")
        return self


@dataclass(frozen=True, slots=True)
class Request:
    """A conversation to answer: `red_team` ones are critiqued and revised, `helpful` ones only answered.

    `columns` holds the input row's other columns as a JSON object.
    """

    id: str
    kind: Kind
    conversation: Conversation
    category: str = ""
    columns: str = "{}"


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
