"""A way to train: what one method says of itself, and the one face that all of them have.

Each file that `methods.py` names is a `Method`: rows that they read, tokens that they make of them, a
TRL trainer. Calling it does the rest in the same order everywhere: everything is checked before any weights
load.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from transformers import PreTrainedTokenizerBase, Trainer

from engine.settings import ModelSettings
from prompts.message import Conversation
from training import processes
from training.data import Row
from training.judge import OnlineJudge
from training.load import Policy, check_settings, load_policy, load_tokenizer, precision
from training.model import Progress, Trained, TrainingError
from training.seams import quiet
from training.settings import MethodName, TrainerSettings
from training.stage import Job, Show, explained, finish, show_answers, trainer_arguments
from training.tokens import TokenizedRows
from training.trackers import own_run
from training.workspace import inputs_digest, open_workspace

Settings = TypeVar("Settings", bound=TrainerSettings)
Read = TypeVar("Read")


@dataclass(frozen=True, slots=True)
class Prepared(Generic[Settings]):
    """What a trainer is built from. `arguments` are those of TRL's configuration that all methods share."""

    model: ModelSettings
    settings: Settings
    policy: Policy
    tokenizer: PreTrainedTokenizerBase
    tokens: TokenizedRows
    arguments: Mapping[str, Any]
    progress: Progress | None
    judge: OnlineJudge | None = None


def _nothing(_rows: TokenizedRows, _settings: TrainerSettings) -> Mapping[str, float]:
    return {}


@dataclass(frozen=True, slots=True)
class Method(Generic[Settings, Read]):
    """One method of training.

    `columns` of the data set decide the outcome; `read` checks the rows, `tokenize` makes token ids of them,
    given the run's seed last, and `trainer` builds what is then trained and saved. `tokenizer` and `load`
    give the model to train, `show` what it does in the end, `counts` what is to be known of the rows.
    """

    stage: MethodName
    columns: tuple[str, ...]
    read: Callable[[Iterable[Row]], Read]
    tokenize: Callable[[Read, PreTrainedTokenizerBase, Settings, int], TokenizedRows]
    trainer: Callable[[Prepared[Settings]], Trainer]
    tokenizer: Callable[[ModelSettings], PreTrainedTokenizerBase] = load_tokenizer
    load: Callable[[ModelSettings, Settings], Policy] = load_policy
    show: Show = show_answers
    counts: Callable[[TokenizedRows, Settings], Mapping[str, float]] = _nothing

    def __call__(
        self,
        rows: Iterable[Row],
        *,
        model: ModelSettings,
        settings: Settings,
        out: Path,
        seed: int,
        card: Mapping[str, str],
        samples: Sequence[Conversation],
        progress: Progress | None = None,
        judge: OnlineJudge | None = None,
    ) -> Trained:
        """Train on the rows and leave a whole folder at `out`; go on from a checkpoint where one is there.

        The rows are gone through several times, and never held: `pipeline.store.StoredRows` reads them anew.
        A `model.adapter` is trained further, and what is saved is one adapter over the same base. Online
        methods may ask the `judge`, from this thread, which must not be that of its loop.

        Raises:
            TrainingError: rows, model or settings do not allow it, or `out` is taken; before any weights
                load.
        """
        job = Job(self.stage, model, settings, seed, card, samples)
        with quiet(), explained(settings):
            processes.join(precision(model, settings).device)
            self._require_whole()
            tokenizer = self.tokenizer(model)
            tokens = processes.shared(lambda: self.tokens(rows, tokenizer, model, settings, seed=seed))
            asked = "" if judge is None else judge.digest
            workspace = processes.shared(lambda: open_workspace(out, self._digest(rows, job, asked)))
            arguments = trainer_arguments(job, workspace, rows=len(tokens))
            policy = self.load(model, settings)
            trainer = self.trainer(
                Prepared(model, settings, policy, tokenizer, tokens, arguments, progress, judge)
            )
            with own_run(settings.report_to):
                return finish(
                    trainer,
                    tokenizer,
                    job=job,
                    workspace=workspace,
                    rows=tokens,
                    show=self.show,
                    counts=self.counts(tokens, settings),
                    progress=progress,
                )

    def tokens(
        self,
        rows: Iterable[Row],
        tokenizer: PreTrainedTokenizerBase,
        model: ModelSettings,
        settings: Settings,
        *,
        seed: int,
    ) -> TokenizedRows:
        """The rows as they are trained on, all of them checked, and the settings too.

        Raises:
            TrainingError: rows, model or settings do not allow training.
        """
        read = self.read(rows)
        check_settings(model, settings)
        return self.tokenize(read, tokenizer, settings, seed)

    def _require_whole(self) -> None:
        if self.show is not show_answers and processes.divided():
            raise TrainingError(
                f"{self.stage}: what it learned is measured on the whole model, of which each process here "
                "holds a part\nlaunch it with recipes/accelerate/eight_gpus.yaml: there each has all weights"
            )

    def _digest(self, rows: Iterable[Row], job: Job, judge: str) -> str:
        columns = (*self.columns, *job.settings.reference_columns)
        return inputs_digest(
            rows, columns=columns, model=job.model, settings=job.settings, seed=job.seed, judge=judge
        )
