"""A finished model folder to the Hugging Face Hub: a private repository, asked for by `push_to_hub`."""

from pathlib import Path

from training.model import TrainingError


def push(folder: Path, repository: str) -> None:
    """Upload a finished folder to a private repository, made where there is none yet.

    The token is the one that `hf auth login` or HF_TOKEN gives; it goes into no file.

    Raises:
        TrainingError: the Hub refused it or was not reached; says how to upload by hand.
    """
    from httpx import HTTPError
    from huggingface_hub import HfApi

    try:
        api = HfApi()
        api.create_repo(repository, private=True, exist_ok=True)
        api.upload_folder(folder_path=str(folder), repo_id=repository)
    except (OSError, ValueError, HTTPError) as error:
        raise TrainingError(
            f"the model is finished in {folder}, but it could not be uploaded to {repository}: "
            f"{str(error).splitlines()[0] if str(error) else type(error).__name__}\n"
            f"log in (hf auth login) and run: hf upload --private {repository} {folder}"
        ) from error
