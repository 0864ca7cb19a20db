"""The errors that are expected, and what a shell is told of each. Only `solon.cli` asks.

Everything is imported when an error has happened, so that starting stays fast.
"""

BAD_INPUT = 2
FAILED = 1
INTERRUPTED = 130


class BadInputError(Exception):
    """What was asked for cannot be done as it stands; the message says what to change."""


def is_stop(error: Exception) -> bool:
    """Whether nothing went wrong: the run was asked to stop, and did."""
    from pipeline.gate import StoppedError

    return isinstance(error, StoppedError)


def exit_code(error: Exception) -> int | None:
    """2 for what the user wrote, 1 for a run that failed on the way; None for an error nobody expected."""
    from constitution.document import DocumentError
    from constitution.model import UnknownNameError
    from engine.protocol import EngineError
    from pipeline.journal import JournalError
    from pipeline.runner import RowsError
    from pipeline.shards import StoreError
    from prompts.render import PromptError
    from solon.run_folder import RunFolderError
    from solon.status import StatusError
    from solon.work import RunError
    from training.model import TrainingError

    if isinstance(
        error, BadInputError | DocumentError | PromptError | RunFolderError | StatusError | UnknownNameError
    ):
        return BAD_INPUT
    if isinstance(
        error, EngineError | JournalError | RowsError | RunError | StoreError | TrainingError | OSError
    ):
        return FAILED
    return None
