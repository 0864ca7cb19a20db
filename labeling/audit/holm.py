"""Many hypotheses at once: p-values come in, and what is left of them where all are looked at goes out."""

from collections.abc import Sequence


def adjusted(p_values: Sequence[float]) -> list[float]:
    """Holm's adjusted p-values (Holm 1979), in the order given.

    A hypothesis falls at a level where its adjusted p-value is at most that level; a true one among all of
    them then falls in at most that share of cases, however they hang together.
    """
    found, worst = [0.0] * len(p_values), 0.0
    for rank, at in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        worst = max(worst, min(1.0, (len(p_values) - rank) * p_values[at]))
        found[at] = worst
    return found


def holm(p_values: Sequence[float], level: float) -> list[bool]:
    """Which hypotheses fall so that a true one falls in at most `level` of cases (Holm 1979)."""
    return [p <= level for p in adjusted(p_values)]
