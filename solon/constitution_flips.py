"""What an edit flips in a run, for people and as JSON: `Flips` in, lines and plain data out."""

from collections import Counter
from collections.abc import Iterator
from statistics import fmean
from typing import Literal

from critique.model import Trajectory
from critique.rewritten import Rewritten
from labeling.flips import EditedPair, Relabelled, pair_flips, verdict_flips
from labeling.model import Comparison, Judgment
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
        "labels": {
            "pairs": drawing.pairs,
            "touched": drawing.touched,
            "redrawn": drawing.redrawn,
            "remade": drawing.remade,
        },
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
    if rounds.touched and drawing.pairs and not found.asked:
        yield "            pairs that hold a revision follow once it is written anew: leave out --count"
    if drawing.remade:
        yield f"            {drawing.remade} of them are made of another revision, come in or fall out"
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
        revised = sum(each.revised for each in found.rewritten)
        yield (
            f"rewritten   {changed} of {len(found.rewritten)} critiques, the first touched one of each row, "
            f"say something else; {revised} rows end in another revision"
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
        pair = each.edited.pair
        yield ""
        yield f"{pair.id}: {_said(each.before)} -> {_said(each.after)}"
        yield f"    asked   {_beginning(pair.conversation[-1].content)}"
        yield from _response("first", each.edited)
        yield from _response("second", each.edited)
    yield from _more(len(flipped), "flipped pairs")


def _response(which: Literal["first", "second"], edited: EditedPair) -> Iterator[str]:
    """One of the two; where the edit writes it anew, as it was and as it would be."""
    old, new = (getattr(pair, which).text if pair else None for pair in (edited.before, edited.after))
    if old == new:
        yield f"    {which:<8}{_beginning(old or '')}"
        return
    for sign, text in (("-", old), ("+", new)):
        if text is not None:
            yield f"    {which:<6}{sign} {_beginning(text)}"


def _texts(found: Flips) -> Iterator[str]:
    changed = [each for each in found.rewritten if each.changed]
    for each in changed[:SHOWN]:
        yield ""
        yield f"{each.id}, round {each.round + 1}"
        yield f"    asked   {_beginning(each.before.request.conversation[-1].content)}"
        yield f"    answer  {_beginning(each.answer.text)}"
        for sign, principle, text in zip("-+", each.principles, each.texts, strict=True):
            yield f"    {sign} {principle}: {_beginning(text)}"
        if each.revised:
            for sign, made in (("-", each.before), ("+", each.after)):
                yield f"    revised {sign} {_beginning(made.rounds[-1].revision.text)}"
    yield from _more(len(changed), "changed critiques")


def _more(count: int, what: str) -> Iterator[str]:
    if count > SHOWN:
        yield ""
        yield f"and {count - SHOWN} more {what}: --json FILE has them all"


def _said(judgment: Judgment | None) -> str:
    if judgment is None:
        return "no pair"
    probability = "–" if judgment.probability is None else f"{judgment.probability:.3f}"
    voters = ", ".join(dict.fromkeys(vote.principle for vote in judgment.votes))
    return f"{judgment.verdict} {probability} ({voters})"


def _move(each: Relabelled) -> float | None:
    """How far the probability of the same response moves; None where it is not one pair with two of them."""
    if each.edited.remade or each.before is None or each.after is None:
        return None
    before, after = each.before.probability, each.after.probability
    return None if before is None or after is None else after - before


def _listed(counts: Counter[str]) -> str:
    return f" ({', '.join(f'{name}: {count}' for name, count in sorted(counts.items()))})" if counts else ""


def _beginning(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _BEGINNING else f"{line[:_BEGINNING]}…"


def _pair_json(each: Relabelled) -> dict[str, object]:
    pair = each.edited.pair
    return {
        "id": pair.id,
        "flips": each.flips,
        "redrawn": each.redrawn,
        "remade": each.edited.remade,
        "prompt": pair.conversation[-1].content,
        "before": _side_json(each.edited.before, each.before),
        "after": _side_json(each.edited.after, each.after),
    }


def _side_json(pair: Comparison | None, judgment: Judgment | None) -> dict[str, object] | None:
    if pair is None or judgment is None:
        return None
    return {
        "first": pair.first.text,
        "second": pair.second.text,
        "verdict": judgment.verdict,
        "probability": judgment.probability,
        "principles": [vote.principle for vote in judgment.votes],
    }


def _critique_json(each: Rewritten) -> dict[str, object]:
    return {
        "id": each.id,
        "round": each.round + 1,
        "prompt": each.before.request.conversation[-1].content,
        "answer": each.answer.text,
        "changed": each.changed,
        "revised": each.revised,
        "before": _rounds_json(each.before, each.round),
        "after": _rounds_json(each.after, each.round),
    }


def _rounds_json(made: Trajectory, first: int) -> list[dict[str, object]]:
    """What was said from the first touched round on."""
    return [
        {
            "principle": done.principle,
            "critique": done.critique.text if done.critique else None,
            "revision": done.revision.text,
        }
        for done in made.rounds[first:]
    ]
