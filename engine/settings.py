"""The part of a recipe that names a model and how to reach it."""

from pathlib import Path
from typing import Literal

from pydantic import Field, field_validator

from constitution.document import Section


class ModelSettings(Section):
    """One model: run from here with `transformers` or `vllm`, or behind an OpenAI-compatible server."""

    engine: Literal["transformers", "vllm", "openai", "reward"] = Field(
        default="transformers",
        description="transformers or vllm: from here; openai: any OpenAI-compatible server, vLLM's too; "
        "reward: a reward model, from here, for `labeling.method: reward`",
    )
    model: str = Field(
        default="embedded",
        description="`embedded`, a model folder, an id on the Hugging Face Hub, or the server's model name",
    )
    adapter: Path | None = Field(default=None, description="a LoRA adapter folder to put on the model")
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = Field(
        default="auto", description="auto: bfloat16 where the hardware multiplies it fast, else float32"
    )
    device: str = Field(default="auto", description="auto: the first GPU if there is one, else the CPU")
    max_batch_size: int = Field(default=96, ge=1, description="requests in one batch at the most")
    max_batch_tokens: int = Field(
        default=49_152, ge=1, description="requests x (longest prompt + new tokens) in one batch at the most"
    )
    max_num_seqs: int = Field(default=256, ge=1, description="vllm: requests in one batch at the most")
    max_model_len: int | None = Field(
        default=None, ge=1, description="vllm: tokens of a prompt and its answer; null: as the model has it"
    )
    gpu_memory_utilization: float = Field(
        default=0.9, gt=0, le=1, description="vllm: the part of a GPU's memory that it may take"
    )
    enforce_eager: bool = Field(
        default=False, description="vllm: do not compile the model; it starts sooner and answers slower"
    )
    takes_turns: bool = Field(
        default=False,
        description="vllm: leave the memory to the recipe's other model while that one answers, where the "
        "two do not fit together",
    )
    trust_remote_code: bool = Field(default=False, description="run Python code that comes with the model")
    revision: str = Field(
        default="",
        description="openai: a name of your own for what the server holds; change it when that changes, "
        "since answers are kept under it",
    )
    base_url: str | tuple[str, ...] = Field(
        default="http://127.0.0.1:8000/v1",
        description="the server's address; a list: several servers that hold the same model",
    )
    api_key_env: str | None = Field(
        default=None, description="the environment variable that holds the server's key (never the key)"
    )
    timeout_s: float = Field(default=600, gt=0, description="seconds to wait for one answer of a server")
    max_in_flight: int = Field(
        default=32,
        ge=1,
        description="requests on their way to a server at the most; fewer while it is busy",
    )
    retries: int = Field(
        default=6, ge=0, description="further attempts after a 429, a 5xx, a time-out or a lost connection"
    )
    label_way: Literal["auto", "token_ids", "constrained", "top_logprobs"] = Field(
        default="auto", description="how a server gives the probabilities of labels; auto: the best it has"
    )

    @field_validator("base_url")
    @classmethod
    def _some_server(cls, base_url: str | tuple[str, ...]) -> str | tuple[str, ...]:
        if not base_url:
            raise ValueError("expected the address of a server, or a list of one or more")
        return base_url
