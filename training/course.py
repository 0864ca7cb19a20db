"""How an online method went, rollout by rollout: the trainer's log in, a small table for the card out."""

from collections.abc import Mapping, Sequence

SHOWN = 12
"""Rollouts in the table: the first, the last, and others evenly between."""

COLUMNS: Mapping[str, str] = {
    "step": ".0f", "score": ".3f", "kl": ".2f", "kl_k3": ".2f", "length": ".1f", "eos_rate": ".2f",
    "explained_variance": ".2f", "rewards/margins": ".3f", "pairs": ".0f", "swap_consistency": ".2f",
}  # fmt: skip
"""What is shown of each rollout where it was logged, and with how many digits."""


def course_table(log: Sequence[Mapping[str, object]]) -> str:
    """A Markdown table of the rollouts, "" where the method samples none."""
    rollouts = [entry for entry in log if "kl_k3" in entry]
    if not rollouts:
        return ""
    names = [name for name in COLUMNS if any(name in entry for entry in rollouts)]
    lines = [" | ".join(names), " | ".join("---" for _ in names)]
    lines += [" | ".join(_cell(entry.get(name), name) for name in names) for entry in _thinned(rollouts)]
    return "\n".join(f"| {line} |" for line in lines)


def _thinned(rollouts: Sequence[Mapping[str, object]]) -> list[Mapping[str, object]]:
    if len(rollouts) <= SHOWN:
        return list(rollouts)
    return [rollouts[round(place * (len(rollouts) - 1) / (SHOWN - 1))] for place in range(SHOWN)]


def _cell(value: object, name: str) -> str:
    return format(value, COLUMNS[name]) if isinstance(value, int | float) else ""
