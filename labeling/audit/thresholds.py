"""The gate's thresholds, a section of the recipe: what a judge's audit must show before its labels train.

Read by `verdict.py`; nothing heavy is imported here, since every recipe is read through it.
"""

from pydantic import Field

from constitution.document import Section


class Thresholds(Section):
    """What a judge's audit must show before its labels train a model; null leaves a limit out."""

    min_usable: int = Field(
        default=100,
        ge=2,
        description="pairs with a usable opinion: with fewer, 60 % accuracy is not told from chance",
    )
    min_prompts: int = Field(
        default=30,
        ge=2,
        description="different prompts among them: intervals over fewer are seldom sound",
    )
    min_accuracy: float = Field(
        default=0.5,
        ge=0,
        lt=1,
        description="the 95 % interval of agreement with people lies above this; 0.5 is chance, and labels "
        "at chance teach nothing",
    )
    beat_rules: bool = Field(
        default=True,
        description="and above what picking the longer or the shorter response reaches on the same "
        "pairs, which costs no judge",
    )
    min_consistency: float | None = Field(
        default=0.6,
        ge=0,
        le=1,
        description="share of pairs whose two orders name the same response; published judges of use reach "
        "0.65 and more, those that follow the position 0.2 to 0.45",
    )
    max_ece: float | None = Field(
        default=0.1,
        ge=0,
        le=1,
        description="calibration error after calibration, on pairs it was not fitted on; soft labels "
        "are learnt as probabilities",
    )
    max_unparsed: float | None = Field(
        default=0.1,
        ge=0,
        le=1,
        description="share of opinions that cannot be used; what is left out is seldom like the rest",
    )
    max_length_excess: float | None = Field(
        default=1.0,
        ge=0,
        description="log-odds for a typical difference in length, either way, beside what people chose; 1.0 "
        "turns an even pair into 73 to 27",
    )
    max_injection_flips: float | None = Field(
        default=0.2,
        ge=0,
        le=1,
        description="share of verdicts that an order inside a response changes, in the worst of its forms; a "
        "policy that trains on such labels can learn the order",
    )
    max_format_flips: float | None = Field(
        default=0.2,
        ge=0,
        le=1,
        description="share of verdicts that Markdown in place of plain text changes, in the worst form",
    )
    false_alarms: float = Field(
        default=0.05,
        gt=0,
        lt=1,
        description="share of audits in which a judge that lies within all limits may break one by chance",
    )
