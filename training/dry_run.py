"""A method as far as it goes without training: its rows, one batch of them, parameters and memory.

In: what `training.method` takes. Out: a `Look`, plain data for `solon.dry_run` to print. Rows are read and
tokenized as for training, so every error of theirs comes here too; no weights load, and nothing is written
but token ids in a temporary folder.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from transformers import PreTrainedTokenizerBase

from engine.settings import ModelSettings
from training import processes
from training.data import Row, reasons
from training.lengths import Sizes, measure
from training.marked import Span, aim, spans, texts
from training.memory import Need, needed
from training.method import Method
from training.rehearsal import Batch
from training.seams import quiet
from training.settings import MethodName, OnlineDPOSettings, TrainerSettings
from training.stage import explained
from training.tokens import TokenizedRows


@dataclass(frozen=True, slots=True)
class Shown:
    """One text of the batch: which row's, what it is, what it is to be learned as, and its pieces."""

    row: int
    name: str
    aim: str
    spans: tuple[Span, ...]


@dataclass(frozen=True, slots=True)
class Look:
    """What a method would do. `dropped` names the reasons, with their counts; `rates`: it trains a number.

    `steps` are those that so many `processes` take together.
    """

    method: MethodName
    counts: Mapping[str, int]
    dropped: str
    sizes: Sizes
    steps: int
    processes: int
    batch: tuple[Shown, ...]
    largest: Batch
    need: Need

    @property
    def rates(self) -> bool:
        return self.method == "reward"


def look(
    method: Method[Any, Any],
    rows: Iterable[Row],
    *,
    model: ModelSettings,
    settings: TrainerSettings,
    seed: int,
) -> Look:
    """Look at a method's rows and count what it needs.

    Raises:
        TrainingError: as training would, before any weights load.
    """
    with quiet(), explained(settings):
        tokenizer = method.tokenizer(model)
        tokens = method.tokens(rows, tokenizer, model, settings, seed=seed)
        sizes = measure(tokens.dataset)
        largest = _largest(sizes, settings, packed=tokens.conversations is not None)
        return Look(
            method.stage,
            tokens.counts(),
            reasons(tokens.dropped),
            sizes,
            settings.optimizer_steps(len(tokens), processes.count()),
            processes.count(),
            tuple(_batch(tokens, tokenizer, settings.batch_size)),
            largest,
            needed(model, settings, largest, rates=method.stage == "reward"),
        )


def _batch(tokens: TokenizedRows, tokenizer: PreTrainedTokenizerBase, size: int) -> Iterable[Shown]:
    """The first rows, as many as a forward pass has; training draws them in another order."""
    for number in range(min(size, len(tokens))):
        row = tokens.dataset[number]
        for text in texts(row):
            yield Shown(number, text.name, aim(row), tuple(spans(text, tokenizer)))


def _largest(sizes: Sizes, settings: TrainerSettings, *, packed: bool) -> Batch:
    """A batch of which every text is as long as the longest; texts of one row share how they begin, unless
    they are packed, which fills it.
    """
    if packed:
        return Batch(settings.batch_size, settings.max_length, settings.batch_size * sizes.row_learned)
    rows = settings.batch_size * sizes.texts
    sampled = getattr(settings, "generation_batch_size", None)
    if sampled is None:
        groups = settings.batch_size if sizes.texts > 1 else 0
        return Batch(rows, sizes.longest, rows * sizes.learned, groups=groups, joined=sizes.joined)
    answer = settings.max_completion_length or settings.max_length
    longest = sizes.longest + answer
    if not isinstance(settings, OnlineDPOSettings):
        return Batch(rows, longest, rows * answer, sampled)
    # A batch of pairs, the two answers of each to one prompt.
    return Batch(2 * rows, longest, 2 * rows * answer, sampled, groups=rows, joined=longest + answer)
