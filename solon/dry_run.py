"""`solon train METHOD RECIPE --dry-run`: what a method would learn from and need, printed, nothing written.

In: a loaded recipe and the folder of its run, where the datasets are. Out: text. What is learned is in green
on a terminal, and between [[ and ]] anywhere else.
"""

import sys
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from solon.loaded_recipe import LoadedRecipe
from solon.run_folder import RunFolder
from solon.stages.training import trainings
from solon.terminal import visible
from training.settings import MethodName, TrainerSettings

if TYPE_CHECKING:
    from training.dry_run import Look, Shown
    from training.lengths import Sizes
    from training.marked import Span
    from training.memory import Need

OPEN, CLOSE = "[[", "]]"
GREEN, PLAIN = "\x1b[1;32m", "\x1b[0m"

_WHAT = {
    "rows_truncated": "cut at their end", "rows_dropped": "dropped", "rows_held_out": "held out",
    "rows_packed_into": "packed rows",
}  # fmt: skip


def dry_run(loaded: LoadedRecipe, folder: RunFolder, methods: Sequence[MethodName]) -> Iterator[str]:
    """The text about each method, one after the other.

    Raises:
        RunError: what a method learns from is not there yet.
        TrainingError: training would raise it, too.
    """
    from training.dry_run import look
    from training.methods import METHODS

    colour = sys.stdout.isatty()
    for given in trainings(loaded, folder, methods):
        found = look(
            METHODS[given.method], given.rows, model=given.model, settings=given.settings, seed=given.seed
        )
        yield described(found, given.settings, colour=colour)


def described(look: "Look", settings: TrainerSettings, *, colour: bool) -> str:
    """All of it as text: the batch first, so that the numbers are what is left on the screen."""
    learned = "green" if colour else f"between {OPEN} and {CLOSE}"
    where = f"{'the reward is read at' if look.rates else 'learned is'} what is {learned}"
    shown = "\n\n".join(_text(each, colour=colour) for each in look.batch)
    return f"""\
{look.method}: a batch, the first {settings.batch_size} rows at the most; {where}

{shown}

{look.method}: {_rows(look)}
{_table(look.sizes)}
{_steps(look, settings)}
{_need(look.need, look)}
Nothing was trained, and nothing was written.
"""


def _text(shown: "Shown", *, colour: bool) -> str:
    aim = f" ({shown.aim})" if shown.aim else ""
    text = "".join(_span(each, colour=colour) for each in shown.spans)
    return f"--- row {shown.row}, {shown.name}{aim}\n{text}"


def _span(span: "Span", *, colour: bool) -> str:
    text = visible(span.text)
    if not span.learned:
        return text
    # A terminal takes a colour back at the end of a line in some pagers, so each line has its own.
    return text.replace("\n", f"{PLAIN}\n{GREEN}").join((GREEN, PLAIN)) if colour else f"{OPEN}{text}{CLOSE}"


def _rows(look: "Look") -> str:
    counts = [f"{look.counts['rows']} rows to learn from"]
    counts += [f"{look.counts[name]} {what}" for name, what in _WHAT.items() if look.counts.get(name)]
    return ", ".join(counts) + (f" ({look.dropped})" if look.dropped else "")


def _steps(look: "Look", settings: TrainerSettings) -> str:
    together = f" x {look.processes} processes" if look.processes > 1 else ""
    rows = f"{settings.batch_size} x {settings.gradient_accumulation_steps}{together} rows"
    return f"{look.steps} optimizer steps of {rows}"


def _table(sizes: "Sizes") -> str:
    lines = [f"{'tokens':<12}{'texts':>9}{'min':>8}{'mean':>9}{'p95':>8}{'max':>8}"]
    for each in sizes.lengths:
        numbers = f"{each.count:>9}{each.least:>8}{each.mean:>9.1f}{each.p95:>8}{each.most:>8}"
        lines.append(f"{each.name:<12}{numbers}")
    return "\n".join(lines)


def _need(need: "Need", look: "Look") -> str:
    share = 100 * need.trained / need.parameters
    parts = ", ".join(f"{name} {_size(size)}" for name, size in need.parts.items())
    largest = f"{look.largest.rows} texts of {look.largest.tokens} tokens"
    return (
        f"{need.parameters:,} parameters, {need.trained:,} of them trained ({share:.1f} %)\n"
        f"memory of one process with all weights, roughly: {_size(need.total)} ({parts}; at {largest})"
    )


def _size(size: int) -> str:
    return f"{size / 1e9:.2f} GB" if size >= 1e7 else f"{size / 1e6:.2f} MB"
