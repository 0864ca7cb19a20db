"""The nouns of an audit: a pair that people labelled, and what a judge said of it.

Pairs come out of files (`human.py`); a judge's readings of them go into measures (`agreement.py`, `bias.py`,
`calibration.py`), and these into the report and the verdict that gates training.
"""

from dataclasses import dataclass

from prompts.message import Conversation


@dataclass(frozen=True, slots=True)
class HumanPair:
    """Two responses to one conversation, of which people preferred the first named one, `chosen`.

    `cluster` names what pairs share that are not independent of each other: the prompt. `kind` is the sort of
    harm or skill, for agreement by kind; `source` the file's name.
    """

    id: str
    cluster: str
    conversation: Conversation
    chosen: str
    rejected: str
    kind: str = ""
    source: str = ""


@dataclass(frozen=True, slots=True)
class Opinion:
    """What a judge made of one human pair.

    `chosen_first` is the log-odds, in nats, of the people's choice when it was shown first, `chosen_second` when
    it was shown second: positive where the judge agrees with people. Ways of judging without an order give the
    same number twice. `probability` is the judge's P(chosen is better), both orders combined; None where the
    judge's answer could not be used, and then the log-odds may be None too. Lengths are in words.
    """

    id: str
    cluster: str
    chosen_first: float | None
    chosen_second: float | None
    probability: float | None
    chosen_words: int
    rejected_words: int
    kind: str = ""
    source: str = ""
