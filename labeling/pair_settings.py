"""Settings of what becomes of pairs: samples to rank, what is left out, what people add, what is exported."""

from typing import Literal

from pydantic import Field

from constitution.document import Section
from constitution.model import Text

Export = Literal["preferences", "unpaired", "ranked"]


class BestOfNSettings(Section):
    """Several samples for one prompt, all compared with all: n (n - 1) / 2 comparisons in both orders."""

    n: int = Field(
        default=4,
        ge=2,
        le=32,
        description="samples for a prompt; equal ones are merged, the best is chosen, the worst rejected",
    )


class FilterSettings(Section):
    """Pairs that are left out for what they say, each counted with its reason."""

    max_response_similarity: float = Field(
        default=0.9,
        ge=0,
        le=1,
        description="a pair whose two responses are more alike than this is left out: the share of their "
        "pieces of five letters that both have; 1 leaves none out",
    )
    max_pair_similarity: float = Field(
        default=0.9,
        ge=0.5,
        le=1,
        description="a pair is left out where its conversation and both responses are all more alike than "
        "this to those of a pair kept before; 1 leaves none out",
    )


class HelpfulnessSettings(Section):
    """Comparisons that people made, mixed in so that labels for harmlessness do not unlearn helpfulness."""

    path: Text = Field(
        description="a file of pairs that people labelled, or a folder of such files: hh-rlhf, or any other "
        "form of docs/human-labels.md"
    )
    share: float = Field(gt=0, lt=1, description="their share of the resulting preference dataset")
    probability: float = Field(
        default=1.0, gt=0.5, le=1, description="the `chosen_probability` of what people chose"
    )
