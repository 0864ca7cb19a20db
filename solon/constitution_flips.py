"""What an edit flips in a run, for people and as JSON: `Flips` in, lines and plain data out."""

from collections import Counter
from collections.abc import Iterator
from statistics import fmean

from critique.rewritten import Rewritten
from labeling.flips import Relabelled, pair_flips, verdict_flips
from labeling.model import Judgment
from solon.constitution_diff import Compared, Flips

SHOWN = 10
_BEGINNING = 100


def describe_flips(compared: Compared, found: Flips) -> str:
    """Counts first, then the first flipped pairs and changed critiques with both texts' beginnings."""
    lines = [*_touched(found)]
    if found.asked:
        lines += [*_labels(compared, found), *_critiques(found), *_spent(compared, found)]
        lines += [*_pairs(found), *_texts(found)]
    return "\n".join(lines) + "\n"


def flips_as_json(compared: Compared, found: Flips) -> dict[str, object]:
    """All of it, each touched pair and critique whole."""
    drawing, rounds = found.drawing, found.rounds
    return {
        "labels": {"pairs": drawing.pairs, "touched": drawing.touched, "redrawn": drawing.redrawn},
        "critiques": {"rounds": rounds.rounds, "touched": rounds.touched, "redrawn": rounds.redrawn},
        "asked": found.asked,
        "calls": {"before": found.before.asked, "after": found.after.asked},
        "failed": dict(found.failed),
        "verdicts": dict(verdict_flips(found.relabelled)),
        "dataset": dict(pair_flips(found.relabelled, compared.loaded.labeling, compared.trust)),
        "touched_pairs": [_pair_json(each) for each in found.relabelled],
        "touched_critiques": [_critique_json(each) for each in found.rewritten],
    }


def _touched(found: Flips) -> Iterator[str]:
    drawing, rounds = found.drawing, found.rounds
    if drawing.pairs:
        yield (
            f"labels      {drawing.touched} of {drawing.pairs} pairs are touched, "
            f"{drawing.redrawn} of them draw another principle"
        )
    if rounds.rounds:
        yield (
            f"critiques   {rounds.touched} of {rounds.rounds} rounds are touched, "
            f"{rounds.redrawn} of them draw another principle"
        )


def _labels(compared: Compared, found: Flips) -> Iterator[str]:
    if not found.drawing.touched:
        return
    verdicts = verdict_flips(found.relabelled)
    yield f"flipped     {sum(verdicts.values())} of {len(found.relabelled)} labels{_listed(verdicts)}"
    pairs = pair_flips(found.relabelled, compared.loaded.labeling, compared.trust)
    yield f"dataset     pairs that change: {sum(pairs.values())}{_listed(pairs)}"
    moves = [abs(move) for each in found.relabelled if (move := _move(each)) is not None]
    if moves:
        yield f"moved       P(first is better) by {fmean(moves):.3f} on average over the touched pairs"


def _critiques(found: Flips) -> Iterator[str]:
    if found.rewritten:
        changed = sum(each.changed for each in found.rewritten)
        behind = sum(each.behind for each in found.rewritten)
        yield (
            f"rewritten   {changed} of {len(found.rewritten)} critiques, one a row, say something else; "
            f"rounds from there on, which a run would write anew: {behind}"
        )


def _spent(compared: Compared, found: Flips) -> Iterator[str]:
    yield f"asked       {found.after.asked} calls, {found.after.found} were found in the journals"
    if found.before.asked:
        why = (
            "the run's judge answers by another fingerprint here, or the run labelled otherwise"
            if compared.made_with_before
            else "the run was made with another constitution"
        )
        yield f"            and {found.before.asked} calls for the first constitution: {why}"
    if found.failed:
        yield f"failed      {sum(found.failed.values())} rows{_listed(found.failed)}"


def _pairs(found: Flips) -> Iterator[str]:
    flipped = [each for each in found.relabelled if each.flips]
    for each in flipped[:SHOWN]:
        comparison = each.comparison
        yield ""
        yield f"{comparison.id}: {_said(each.before)} -> {_said(each.after)}"
        yield f"    asked   {_beginning(comparison.conversation[-1].content)}"
        yield f"    first   {_beginning(comparison.first.text)}"
        yield f"    second  {_beginning(comparison.second.text)}"
    yield from _more(len(flipped), "flipped pairs")


def _texts(found: Flips) -> Iterator[str]:
    changed = [each for each in found.rewritten if each.changed]
    for each in changed[:SHOWN]:
        yield ""
        yield f"{each.id}, round {each.round + 1}"
        yield f"    asked   {_beginning(each.prompt)}"
        yield f"    answer  {_beginning(each.answer)}"
        for sign, principle, text in zip("-+", each.principles, each.texts, strict=True):
            yield f"    {sign} {principle}: {_beginning(text)}"
    yield from _more(len(changed), "changed critiques")


def _more(count: int, what: str) -> Iterator[str]:
    if count > SHOWN:
        yield ""
        yield f"and {count - SHOWN} more {what}: --json FILE has them all"


def _said(judgment: Judgment) -> str:
    probability = "–" if judgment.probability is None else f"{judgment.probability:.3f}"
    voters = ", ".join(dict.fromkeys(vote.principle for vote in judgment.votes))
    return f"{judgment.verdict} {probability} ({voters})"


def _move(each: Relabelled) -> float | None:
    before, after = each.before.probability, each.after.probability
    return None if before is None or after is None else after - before


def _listed(counts: Counter[str]) -> str:
    return f" ({', '.join(f'{name}: {count}' for name, count in sorted(counts.items()))})" if counts else ""


def _beginning(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _BEGINNING else f"{line[:_BEGINNING]}…"


def _pair_json(each: Relabelled) -> dict[str, object]:
    comparison = each.comparison
    return {
        "id": comparison.id,
        "flips": each.flips,
        "redrawn": each.redrawn,
        "prompt": comparison.conversation[-1].content,
        "first": comparison.first.text,
        "second": comparison.second.text,
        "before": _judgment_json(each.before),
        "after": _judgment_json(each.after),
    }


def _judgment_json(judgment: Judgment) -> dict[str, object]:
    return {
        "verdict": judgment.verdict,
        "probability": judgment.probability,
        "principles": [vote.principle for vote in judgment.votes],
    }


def _critique_json(each: Rewritten) -> dict[str, object]:
    (before, after), (old, new) = each.principles, each.texts
    return {
        "id": each.id,
        "round": each.round + 1,
        "prompt": each.prompt,
        "answer": each.answer,
        "changed": each.changed,
        "before": {"principle": before, "text": old},
        "after": {"principle": after, "text": new},
        "behind": each.behind,
    }
