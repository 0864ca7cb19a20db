"""Opinions for tests of the audit, every field but the id with a plain default."""

from labeling.audit.model import Opinion


def opinion(
    name: str,
    *,
    probability: float | None = 0.8,
    chosen_first: float | None = 1.0,
    chosen_second: float | None = 1.0,
    words: tuple[int, int] = (10, 10),
    kind: str = "",
    cluster: str = "",
) -> Opinion:
    """One pair's opinion; without a cluster its prompt is its own. `words` of the chosen and the rejected."""
    return Opinion(
        id=name,
        cluster=cluster or name,
        chosen_first=chosen_first,
        chosen_second=chosen_second,
        probability=probability,
        chosen_words=words[0],
        rejected_words=words[1],
        kind=kind,
    )
