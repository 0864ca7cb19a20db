"""Opens the engine that a recipe's model section names. Heavy libraries load here, and only then."""

import os

from engine.protocol import Engine, EngineUnavailable
from engine.settings import ModelSettings


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
    from engine.hf import TransformersEngine

    return TransformersEngine(settings)


def _key(variable: str | None) -> str | None:
    if variable is None:
        return None
    key = os.environ.get(variable)
    if not key:
        raise EngineUnavailable(
            f"`api_key_env: {variable}`: that environment variable is not set; export it and run again"
        )
    return key
