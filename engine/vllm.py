"""A model in vLLM, run from this process, behind the `Engine` protocol.

Prompts come in and go to vLLM as token ids, rendered exactly as the transformers engine renders them. vLLM
batches them, keeps the prefixes that they share, and takes later rounds of a row first. It computes in
processes of its own (`engine.vllm_process`), which end with the engine, or with this process.
"""

import asyncio
import itertools
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch
from transformers import AutoTokenizer, PreTrainedTokenizerBase

from engine.labels import choice_from_logprobs, label_token_ids
from engine.local_model import adapter_rank, dtype_name, fingerprint, locate, not_loaded, pick_dtype
from engine.protocol import (
    CallError,
    Choice,
    Completion,
    EngineUnavailable,
    Fingerprint,
    Sampling,
    Score,
    WithoutRewards,
)
from engine.settings import ModelSettings
from engine.tokens import encode_prompt, render
from engine.vllm_process import Reaper, bystanders, deaf_to_ctrl_c, descendants, prepare_environment
from prompts.message import Prompt

if TYPE_CHECKING:  # vLLM is not in the environment that is type-checked: it needs another one
    AsyncEngineArgs: Any
    AsyncLLM: Any
    LoRARequest: Any
    RequestOutputKind: Any
    SamplingParams: Any
    current_platform: Any
    tokens_input: Any

    class EngineDeadError(Exception): ...
else:
    prepare_environment()

    from vllm import SamplingParams
    from vllm.engine.arg_utils import AsyncEngineArgs
    from vllm.inputs.engine import tokens_input
    from vllm.lora.request import LoRARequest
    from vllm.platforms import current_platform
    from vllm.sampling_params import RequestOutputKind
    from vllm.v1.engine.async_llm import AsyncLLM
    from vllm.v1.engine.exceptions import EngineDeadError

POLL_S = 0.1
"""How often to look for processes of an engine that is being loaded."""


class VLLMEngine(WithoutRewards):
    """Answers with a causal language model that vLLM holds; `start` loads it.

    Where vLLM's sleep mode is not to be had, as on a CPU, `sleep` ends the processes, which frees the same
    memory, and `wake_up` loads the model again.

    Raises:
        EngineUnavailable: the model or adapter is not there or does not fit, or vLLM's process has ended.
    """

    def __init__(self, settings: ModelSettings) -> None:
        self.settings = settings
        self._llm: Any = None  # an AsyncLLM, while there is one
        self._reaper: Reaper | None = None
        self._fingerprint: Fingerprint | None = None
        self._numbers = itertools.count()
        self._asleep = False
        self._can_sleep = settings.takes_turns and current_platform.is_sleep_mode_available()
        adapter = str(settings.adapter) if settings.adapter else None
        self._lora = LoRARequest("adapter", 1, adapter) if adapter else None

    @property
    def fingerprint(self) -> Fingerprint:
        if self._fingerprint is None:
            raise EngineUnavailable("the engine has not been started")
        return self._fingerprint

    async def start(self) -> None:
        """Load the model; the event loop stays free meanwhile."""
        try:
            llm = self._llm = await self._loaded()
            if self._lora is not None:
                await llm.add_lora(self._lora)
        except BaseException as error:
            await self.close()
            if isinstance(error, EngineUnavailable) or not isinstance(error, Exception):
                raise
            raise EngineUnavailable(_not_started(self.settings, error)) from error
        self.context_length = int(llm.model_config.max_model_len)
        self._fingerprint = fingerprint(
            self.settings,
            tokenizer=self.tokenizer,
            dtype=llm.model_config.dtype,
            commit=getattr(llm.model_config.hf_config, "_commit_hash", None) or "",
        )

    async def _loaded(self) -> Any:
        """vLLM with the model, its processes watched from the first moment on."""
        before = bystanders()
        reaper = self._reaper = Reaper()
        loading = asyncio.create_task(asyncio.to_thread(self._load))
        while not loading.done():
            await asyncio.wait({loading}, timeout=POLL_S)
            reaper.watch(descendants() - before)
        return await loading

    async def chat(self, prompt: Prompt, sampling: Sampling, *, priority: int = 0) -> Completion:
        ids = encode_prompt(self.tokenizer, prompt)
        stop = list(dict.fromkeys((*sampling.stop, *prompt.stop)))
        params = SamplingParams(
            max_tokens=sampling.max_tokens,
            temperature=sampling.temperature,
            top_p=sampling.top_p,
            seed=sampling.seed if sampling.temperature > 0 else None,
            stop=stop,
            output_kind=RequestOutputKind.FINAL_ONLY,
        )
        output = await self._generate(ids, params, priority=priority)
        answer = output.outputs[0]
        if answer.finish_reason not in ("stop", "length"):
            raise CallError("broken_off", f"vLLM ended the answer with {answer.finish_reason!r}")
        return Completion(
            answer.text, answer.finish_reason, len(ids), len(answer.token_ids), output.num_cached_tokens or 0
        )

    async def choose(self, prompt: Prompt, labels: tuple[str, ...], *, priority: int = 0) -> Choice:
        asked = render(self.tokenizer, prompt)
        tokens = label_token_ids(self._encode_text, asked.text[-200:], labels)
        # Never `logprobs=k` beside these in one batch: some releases then give them minus infinity.
        params = _one_token(logprob_token_ids=list(tokens.values()))
        output = await self._generate(asked.ids, params, priority=priority)
        answer = output.outputs[0]
        if not answer.logprobs or any(token not in answer.logprobs[0] for token in tokens.values()):
            raise CallError("no_logprobs", f"vLLM left out the log-probability of one of {labels!r}")
        return choice_from_logprobs(
            {label: answer.logprobs[0][token].logprob for label, token in tokens.items()},
            argmax_is_label=answer.token_ids[0] in tokens.values(),
            prompt_tokens=len(asked.ids),
            cached_tokens=output.num_cached_tokens or 0,
        )

    async def score(self, prompt: Prompt, completion: str, *, priority: int = 0) -> Score:
        ids = encode_prompt(self.tokenizer, prompt)
        # Somebody's text: a special token in it is only text. Labels need them: their tail is a whole prompt.
        added = self.tokenizer(completion, add_special_tokens=False, split_special_tokens=True).input_ids
        if not added:
            return Score(0.0, 0)
        output = await self._generate([*ids, *added], _one_token(prompt_logprobs=0), priority=priority)
        positions = (output.prompt_logprobs or [])[len(ids) :]
        logprobs = [place[token].logprob for token, place in zip(added, positions, strict=True)]
        return Score(sum(logprobs), len(logprobs), len(ids), output.num_cached_tokens or 0)

    async def sleep(self) -> None:
        """Free the memory that the model and its cache take; nothing may be asked until it wakes up."""
        if self._asleep or self._llm is None:
            return
        self._asleep = True
        if self._can_sleep:
            await self._llm.sleep(level=1)
        else:
            await self.close()

    async def wake_up(self) -> None:
        """Make the model ready again."""
        if not self._asleep:
            return
        if self._can_sleep and self._llm is not None:
            await self._llm.wake_up()
        else:
            await self.start()
        self._asleep = False

    async def close(self) -> None:
        """End vLLM's processes; returns when they have gone."""
        llm, self._llm = self._llm, None
        reaper, self._reaper = self._reaper, None
        if llm is not None:
            await asyncio.to_thread(llm.shutdown)
        if reaper is not None:
            await asyncio.to_thread(reaper.end)

    def _load(self) -> Any:
        source, device = locate(self.settings.model), torch.device(current_platform.device_type)
        if self.settings.device != "auto" and torch.device(self.settings.device).type != device.type:
            raise EngineUnavailable(
                f"`device: {self.settings.device}`: this vLLM is made for {device.type}; leave `device` out, "
                "or install the vLLM of that device. CUDA_VISIBLE_DEVICES chooses between GPUs"
            )
        try:
            self.tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(
                self.settings.adapter or source, trust_remote_code=self.settings.trust_remote_code
            )
        except (OSError, ValueError) as error:
            raise EngineUnavailable(not_loaded(self.settings, error)) from error
        with deaf_to_ctrl_c():
            return AsyncLLM.from_engine_args(AsyncEngineArgs(**self._arguments(source, device)))

    def _arguments(self, source: str, device: torch.device) -> dict[str, Any]:
        settings = self.settings
        arguments: dict[str, Any] = {
            "model": source,
            "dtype": dtype_name(pick_dtype(settings.dtype, device)),
            "trust_remote_code": settings.trust_remote_code,
            "max_model_len": settings.max_model_len,
            "max_num_seqs": settings.max_num_seqs,
            "gpu_memory_utilization": settings.gpu_memory_utilization,
            "enforce_eager": settings.enforce_eager,
            "enable_sleep_mode": self._can_sleep,
            "enable_prefix_caching": True,
            "scheduling_policy": "priority",
            # What a model's folder recommends for sampling must not change what was asked for.
            "generation_config": "vllm",
            "disable_log_stats": True,
            "use_tqdm_on_load": False,
            # On a CPU vLLM 0.31 dies of a request with a seed whose prompt it computes in parts.
            "enable_chunked_prefill": device.type != "cpu",
        }
        if settings.adapter is not None:
            rank = adapter_rank(settings.adapter)
            arguments |= {"enable_lora": True, "max_loras": 1, "max_lora_rank": rank}
        return arguments

    def _encode_text(self, text: str) -> list[int]:
        return self.tokenizer(text, add_special_tokens=False).input_ids

    async def _generate(self, ids: Sequence[int], params: Any, *, priority: int) -> Any:
        """vLLM's `RequestOutput` to a prompt, under its `SamplingParams`."""
        if self._llm is None:
            raise EngineUnavailable("the engine is closed or asleep")
        if len(ids) + params.max_tokens > self.context_length:
            raise CallError(
                "too_long",
                f"{len(ids)} prompt tokens and {params.max_tokens} more do not fit the model's "
                f"{self.context_length}",
            )
        number = f"{next(self._numbers)}"
        output = None
        try:
            async for told in self._llm.generate(
                tokens_input(list(ids)), params, number, lora_request=self._lora, priority=priority
            ):
                output = told
        except EngineDeadError as error:
            raise EngineUnavailable(_DIED) from error
        except Exception as error:  # vLLM's own have no base; each is about this one request
            raise CallError("refused", f"vLLM: {_reason(error)}") from error
        if output is None:
            raise CallError("no_answer", "vLLM ended the request without an answer")
        return output


_DIED = (
    "vLLM's process has ended, most likely for lack of memory; every answer so far is kept. Run the same "
    "command again to go on, with a smaller `max_model_len`, `max_num_seqs` or `gpu_memory_utilization` if "
    "it happens again; VLLM_LOGGING_LEVEL=INFO shows what vLLM does"
)


def _one_token(**asked: object) -> Any:
    """For answers that are read from log-probabilities."""
    fields: Mapping[str, Any] = asked
    return SamplingParams(
        max_tokens=1, temperature=0.0, detokenize=False, output_kind=RequestOutputKind.FINAL_ONLY, **fields
    )


def _not_started(settings: ModelSettings, error: Exception) -> str:
    return (
        f"vLLM cannot load {settings.model!r}: {_reason(error)}\n"
        "what it wrote above says more; VLLM_LOGGING_LEVEL=INFO shows all of it. If memory is short, lower "
        "`max_model_len`, `max_num_seqs` or `gpu_memory_utilization`; the transformers engine is another way"
    )


def _reason(error: BaseException) -> str:
    """The error's first line, or that of what it came from where it says nothing."""
    told = error
    while not str(told).strip() and (cause := told.__cause__ or told.__context__):
        told = cause
    return (str(told).strip().splitlines() or [type(told).__name__])[0]
