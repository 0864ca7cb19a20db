"""Any server that speaks OpenAI's HTTP interface: vLLM, SGLang, llama.cpp, transformers serve, hosted ones.

What comes in is a prompt; what goes out is a completion, a choice or a score, read strictly from the server's
JSON (`engine.openai_reply`) over one retrying connection (`engine.http`). Messages go to `chat/completions`
and text to `completions`. Rendering and tokenising are the server's: docs/engines.md says what follows.
"""

import asyncio
import random
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import PurePath

from engine.http import Backoff, JsonClient
from engine.labels import choice_from_logprobs, require_labels
from engine.openai_reply import (
    Answer,
    Candidates,
    read_answer,
    read_candidates,
    read_echoed_tokens,
    read_model_names,
    read_prompt_tokens,
    score_of_ending,
)
from engine.protocol import CallError, Choice, Completion, EngineUnavailable, Fingerprint, Sampling, Score
from prompts.message import Message, Prompt, as_dicts

_PREFILL_FIELDS = ("continue_final_message", "add_generation_prompt")
_ONE_TOKEN = {"max_tokens": 1, "temperature": 0.0}
"""For answers that are read from log-probabilities; asking for no token at all breaks some servers."""


class OpenAIEngine:
    """One model on one server. `EngineUnavailable` where the server or the model isn't there.

    `base_url` ends where the paths begin, usually in /v1. `api_key` is the key itself: read it from the
    environment, never from a file that is shared; it is sent to the server and shown nowhere. `timeout_s` is
    for one attempt; `retries` are further attempts, with jitter from `rng`. `revision` becomes part of the
    fingerprint: change it when the server holds another model under the same name, which no client can see.
    `top_logprobs` is how many candidates a choice asks for; 20 is the most that common servers give.
    """

    def __init__(
        self,
        *,
        base_url: str,
        model: str,
        api_key: str | None = None,
        revision: str = "",
        timeout_s: float = 300.0,
        max_in_flight: int = 64,
        retries: int = 6,
        top_logprobs: int = 20,
        rng: random.Random | None = None,
        backoff: Backoff | None = None,
    ) -> None:
        self._client = JsonClient(
            base_url=base_url,
            api_key=api_key,
            timeout_s=timeout_s,
            max_in_flight=max_in_flight,
            backoff=backoff or Backoff(retries=retries),
            rng=rng or random.Random(0),
        )
        self._fingerprint = Fingerprint(model=model, revision=revision)
        self._top_logprobs = top_logprobs
        self._started = False
        self._starting = asyncio.Lock()

    def __repr__(self) -> str:
        return f"OpenAIEngine(model={self._fingerprint.model!r}, client={self._client!r})"

    @property
    def fingerprint(self) -> Fingerprint:
        return self._fingerprint

    async def start(self) -> None:
        """See that the server is there, takes the key and holds the model; the first call does it too.

        A server that gives no list of models, or an empty one, is believed until a call says otherwise. So is
        a model named by its folder, which some servers (transformers serve) serve and do not list.
        """
        async with self._starting:
            if not self._started:
                await self._check_model()
                self._started = True

    async def chat(self, prompt: Prompt, sampling: Sampling) -> Completion:
        stop = tuple(dict.fromkeys(prompt.stop + sampling.stop))
        answer = read_answer(await self._ask(prompt, _sampled(sampling, stop)), is_chat=prompt.text is None)
        return _completion(answer, stop)

    async def choose(self, prompt: Prompt, labels: tuple[str, ...]) -> Choice:
        """The labels' log-probabilities among the server's likeliest next tokens, white space ignored.

        A label that is not among them gets the smallest one returned, an upper bound, and the choice says
        `bounded`; `CallError("no_label")` where none is.
        """
        require_labels(labels)
        is_chat, count = prompt.text is None, self._top_logprobs
        wanted = {"logprobs": True, "top_logprobs": count} if is_chat else {"logprobs": count}
        reply = await self._ask(prompt, {**_ONE_TOKEN, **wanted})
        return _choice(read_candidates(reply, is_chat=is_chat), labels)

    async def score(self, prompt: Prompt, completion: str) -> Score:
        """Log-probability of the completion; the server must return it for a prompt's tokens (vLLM does).

        `CallError("token_boundary")` where one token holds the prompt's end and the completion's start.
        """
        if not completion:
            return Score(logprob=0.0, tokens=0)
        whole = _joined(prompt, completion)
        if whole.text is not None:
            reply = await self._ask(whole, {**_ONE_TOKEN, "echo": True, "logprobs": 0})
            return score_of_ending(read_echoed_tokens(reply), completion)
        reply = await self._ask(whole, {**_ONE_TOKEN, "prompt_logprobs": 0})
        return score_of_ending(read_prompt_tokens(reply), completion)

    async def close(self) -> None:
        """Close the connections; the engine may be asked again, also from another event loop."""
        self._starting = asyncio.Lock()
        await self._client.close()

    async def _ask(self, prompt: Prompt, body: Mapping[str, object]) -> Mapping[str, object]:
        await self.start()
        path = "completions" if prompt.text is not None else "chat/completions"
        question = {"model": self._fingerprint.model, **_question(prompt), **body}
        try:
            return await self._client.post(path, question)
        except EngineUnavailable as error:
            if not any(field in str(error) for field in _PREFILL_FIELDS):
                raise
            raise EngineUnavailable(
                f"the server cannot continue an assistant's message, as template {prompt.template!r} asks. "
                "Use a server that can (vLLM, SGLang), the transformers engine, or a template without a "
                f"prefill. It said: {error}"
            ) from error

    async def _check_model(self) -> None:
        model = self._fingerprint.model
        try:
            names = read_model_names(await self._client.get("models", retries=0))
        except CallError:
            return
        if not names or model in names or PurePath(model).is_absolute() or model.startswith("."):
            return
        nearest = get_close_matches(model, names, n=5, cutoff=0.0)
        raise EngineUnavailable(
            f"{self._client.base_url} has no model {model!r}; "
            f"the nearest of its {len(names)}: {', '.join(nearest)}"
        )


def _question(prompt: Prompt) -> dict[str, object]:
    if prompt.text is not None:
        return {"prompt": prompt.text}
    if not prompt.messages:
        raise ValueError(f"template {prompt.template!r} gave a prompt without messages and without text")
    question: dict[str, object] = {"messages": as_dicts(prompt.messages)}
    if prompt.messages[-1].role == "assistant":
        question |= {"add_generation_prompt": False, "continue_final_message": True}
    return question


def _sampled(sampling: Sampling, stop: tuple[str, ...]) -> dict[str, object]:
    body: dict[str, object] = {
        "max_tokens": sampling.max_tokens,
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
    }
    if sampling.seed is not None:
        body["seed"] = sampling.seed
    if stop:
        body["stop"] = list(stop)
    return body


def _completion(answer: Answer, stop: tuple[str, ...]) -> Completion:
    """The answer up to the first stop string: some servers leave that string in the text."""
    found = [position for mark in stop if (position := answer.text.find(mark)) >= 0]
    cut_off = answer.finish_reason == "length" and not found
    return Completion(
        text=answer.text[: min(found)] if found else answer.text,
        finish_reason="length" if cut_off else "stop",
        prompt_tokens=answer.prompt_tokens,
        completion_tokens=answer.completion_tokens,
    )


def _choice(candidates: Candidates, labels: tuple[str, ...]) -> Choice:
    found = {label: candidates.logprob_of(label) for label in labels}
    known = {label: value for label, value in found.items() if value is not None}
    missing = dict.fromkeys((label for label, value in found.items() if value is None), candidates.smallest)
    return choice_from_logprobs(
        known,
        argmax_is_label=candidates.likeliest.strip() in {label.strip() for label in labels},
        bounds=missing,
        prompt_tokens=candidates.prompt_tokens,
    )


def _joined(prompt: Prompt, completion: str) -> Prompt:
    """The prompt with the completion as its end, as text or as the assistant's (continued) message."""
    if prompt.text is not None:
        return Prompt(prompt.template, prompt.template_hash, text=prompt.text + completion)
    *before, last = prompt.messages
    if last.role == "assistant":
        ending = [*before, Message("assistant", last.content + completion)]
    else:
        ending = [*prompt.messages, Message("assistant", completion)]
    return Prompt(prompt.template, prompt.template_hash, messages=tuple(ending))
