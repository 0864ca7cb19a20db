"""The audit's row program: the judge on a pair that people decided, as it is and under its probes.

In: human pairs. Out: an `Audited` for every form of a pair that the judge could be asked about. The judge is
the recipe's own, with its way of asking and its principles, so that what is measured is what labels.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial

from critique.model import Text
from engine.protocol import CallError
from labeling.audit.model import HumanPair
from labeling.audit.probes import Probe, formats, injections, spread
from labeling.judge import Judge
from labeling.model import Comparison, Judgment
from pipeline.context import RowContext

CLEAN = ""
"""The name of a pair's own form."""


@dataclass(frozen=True, slots=True)
class AuditRow:
    """A pair and the probes that it is judged under besides."""

    pair: HumanPair
    probes: tuple[Probe, ...] = ()

    @property
    def id(self) -> str:
        return self.pair.id


@dataclass(frozen=True, slots=True)
class Audited:
    """The judge's answer to one form of a pair: `probe` names the change, "" none; `family` its sort."""

    pair: HumanPair
    judgment: Judgment
    probe: str
    family: str
    keys: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Auditor:
    """Asks the judge about a row's pair, people's choice as the first response; call it as a row program."""

    judge: Judge

    async def __call__(self, row: AuditRow, context: RowContext) -> tuple[Audited, ...]:
        clean, *changed = await context.together(
            [partial(self._ask, row.pair), *(partial(self._probe, row.pair, each) for each in row.probes)]
        )
        return tuple(each for each in (clean, *changed) if each is not None)

    async def _probe(self, pair: HumanPair, probe: Probe, context: RowContext) -> Audited | None:
        """None where the changed pair cannot be judged, as when it has become too long: a verdict lost."""
        try:
            return await self._ask(pair, context, probe=probe)
        except CallError:
            return None

    async def _ask(self, pair: HumanPair, context: RowContext, probe: Probe | None = None) -> Audited:
        shown = probe(pair) if probe else pair
        # By the clean pair's id, so that all its forms are judged under the same principles.
        judgment = await self.judge.judge(_comparison(shown, pair.id), context)
        name, family = (probe.name, probe.family) if probe else (CLEAN, CLEAN)
        return Audited(pair, judgment, name, family, tuple(context.keys))


def audit_rows(pairs: Sequence[HumanPair], *, probed: int) -> list[AuditRow]:
    """A row for each pair; so many of them, evenly from first to last, get a probe of either family."""
    count = min(probed, len(pairs))
    chosen = [pairs[number * len(pairs) // count] for number in range(count)]
    probes: dict[str, list[Probe]] = {}
    for family in (injections(), formats()):
        for pair, probe in spread(chosen, family):
            probes.setdefault(pair.id, []).append(probe)
    return [AuditRow(pair, tuple(probes.get(pair.id, ()))) for pair in pairs]


def form(probe: str) -> str:
    """The change alone, of a probe's name: `ignore_a/end/chosen` and `ignore_b/end/rejected` are one form."""
    name = probe.partition("/")[0]
    return name[:-2] if name.endswith(("_a", "_b")) else name


def clean(audited: Iterable[Audited]) -> list[Audited]:
    return [each for each in audited if each.probe == CLEAN]


def _comparison(pair: HumanPair, name: str) -> Comparison:
    chosen, rejected = (Text(text, False, len(text.split())) for text in (pair.chosen, pair.rejected))
    return Comparison(name, "human", pair.conversation, chosen, rejected, category=pair.kind)
