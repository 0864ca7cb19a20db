"""The errors that are expected, and what a shell is told of each. Only `solon.cli` asks.

Everything is imported when an error has happened, so that starting stays fast.
"""

BAD_INPUT = 2
FAILED = 1
INTERRUPTED = 130


class BadInputError(Exception):
    """What was asked for cannot be done as it stands; the message says what to change."""


def exit_code(error: Exception) -> int | None:
    """2 for what the user wrote, 1 for a run that failed on the way; None for an error nobody expected."""
    from constitution.document import DocumentError
    from constitution.model import UnknownNameError
    from engine.protocol import EngineError
    from pipeline.journal import JournalError
    from pipeline.store import StoreError
    from prompts.render import PromptError
    from solon.run import RunError
    from solon.run_folder import RunFolderError
    from training.model import TrainingError

    if isinstance(error, BadInputError | DocumentError | PromptError | RunFolderError | UnknownNameError):
        return BAD_INPUT
    if isinstance(error, EngineError | JournalError | RunError | StoreError | TrainingError | OSError):
        return FAILED
    return None
