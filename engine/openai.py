"""Any server that speaks OpenAI's HTTP interface: vLLM, SGLang, llama.cpp, transformers serve, hosted ones.

What comes in is a prompt; what goes out is a completion, a choice or a score, read strictly from the server's
JSON (`engine.openai_reply`) over one retrying connection (`engine.http`). Messages go to `chat/completions`
and text to `completions`. Rendering and tokenising are the server's: docs/engines.md says what follows.
"""

import asyncio
import random
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from pathlib import PurePath
from typing import Literal

from yarl import URL

from engine.backoff import Backoff
from engine.http import JsonClient, Sleep, Unreachable
from engine.openai_labels import ONE_TOKEN, LabelQuestions
from engine.openai_question import PREFILL_FIELDS, joined, question, sampled, sticky_key
from engine.openai_reply import (
    Answer,
    read_answer,
    read_echoed_tokens,
    read_model_names,
    read_prompt_tokens,
    score_of_ending,
)
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
from engine.served_name import is_speaking, stated_fingerprint
from prompts.message import Prompt


class OpenAIEngine(WithoutRewards):
    """One model on one server or several. `EngineUnavailable` where the servers or the model aren't there.

    `base_url` ends where the paths begin, usually in /v1; several servers that hold the same model may be
    given, and what a row asks goes to one of them as long as it is up. `api_key` is the key itself: read it
    from the environment, never from a file that is shared; it is sent to the server and shown nowhere.
    `timeout_s` is for one attempt; `retries` are further attempts, as `backoff` says, with jitter from `rng`
    and waits by `sleep`. `max_in_flight` bounds the calls to one server, and fewer are sent while it says
    that they are too many. `revision` becomes part of the fingerprint: change it when the server holds
    another model under the same name, which no client can see. Without one, the fingerprint is what a server
    that Solon started says of itself, once `start` has asked it. `label_way` and `top_logprobs` (20 is the
    most that common servers give) say how labels are asked for: see docs/engines.md.
    """

    def __init__(
        self,
        *,
        base_url: str | Sequence[str],
        model: str,
        api_key: str | None = None,
        revision: str = "",
        timeout_s: float = 300.0,
        max_in_flight: int = 64,
        retries: int = 6,
        label_way: Literal["auto", "token_ids", "constrained", "top_logprobs"] = "auto",
        top_logprobs: int = 20,
        rng: random.Random | None = None,
        backoff: Backoff | None = None,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        self._client = JsonClient(
            base_urls=(base_url,) if isinstance(base_url, str) else base_url,
            api_key=api_key,
            timeout_s=timeout_s,
            max_in_flight=max_in_flight,
            backoff=backoff or Backoff(retries=retries),
            rng=rng or random.Random(0),
            sleep=sleep,
        )
        self._model = model
        self._fingerprint = Fingerprint(model=model, revision=revision)
        self._labels = LabelQuestions(
            ask=self._ask, tokenize=self._tokenize, way=label_way, top_logprobs=top_logprobs
        )
        self._started = False
        self._starting = asyncio.Lock()

    def __repr__(self) -> str:
        return f"OpenAIEngine(model={self._model!r}, client={self._client!r})"

    @property
    def fingerprint(self) -> Fingerprint:
        return self._fingerprint

    async def start(self) -> None:
        """See that the server is there, takes the key and holds the model; the first call does it too.

        A server that gives no list of models, or an empty one, is believed until a call says otherwise. So is
        a model named by its folder, which some servers (transformers serve) serve and do not list. Of several
        servers one has to be there.
        """
        async with self._starting:
            if not self._started:
                await self._check_servers()
                self._started = True

    async def chat(self, prompt: Prompt, sampling: Sampling, *, priority: int = 0) -> Completion:  # noqa: ARG002
        stop = tuple(dict.fromkeys(prompt.stop + sampling.stop))
        answer = read_answer(await self._ask(prompt, sampled(sampling, stop)), is_chat=prompt.text is None)
        return _completion(answer, stop)

    async def choose(self, prompt: Prompt, labels: tuple[str, ...], *, priority: int = 0) -> Choice:  # noqa: ARG002
        """The labels' log-probabilities, in the best way that the server has; `Choice.way` says which.

        Where only the likeliest tokens are to be had, a label that is not among them gets the smallest value
        returned, an upper bound, and the choice says `bounded`; `CallError("no_label")` where none is.
        """
        return await self._labels.choose(prompt, labels)

    async def score(self, prompt: Prompt, completion: str, *, priority: int = 0) -> Score:  # noqa: ARG002
        """Log-probability of the completion; the server must return it for a prompt's tokens (vLLM does).

        `CallError("token_boundary")` where one token holds the prompt's end and the completion's start.
        """
        if not completion:
            return Score(logprob=0.0, tokens=0)
        whole = joined(prompt, completion)
        if whole.text is not None:
            reply = await self._ask(whole, {**ONE_TOKEN, "echo": True, "logprobs": 0})
            return score_of_ending(read_echoed_tokens(reply), completion)
        reply = await self._ask(whole, {**ONE_TOKEN, "prompt_logprobs": 0})
        return score_of_ending(read_prompt_tokens(reply), completion)

    async def close(self) -> None:
        """Close the connections; the engine may be asked again, also from another event loop."""
        self._starting = asyncio.Lock()
        self._labels.forget_loop()
        await self._client.close()

    async def _ask(self, prompt: Prompt, body: Mapping[str, object]) -> Mapping[str, object]:
        if not self._started:
            await self.start()
        path = "completions" if prompt.text is not None else "chat/completions"
        asked = {"model": self._model, **question(prompt), **body}
        try:
            return await self._client.post(path, asked, sticky=sticky_key(prompt))
        except EngineUnavailable as error:
            if not any(field in str(error) for field in PREFILL_FIELDS):
                raise
            raise EngineUnavailable(
                f"the server cannot continue an assistant's message, as template {prompt.template!r} asks. "
                "Use a server that can (vLLM, SGLang), the transformers engine, or a template without a "
                f"prefill. It said: {error}"
            ) from error

    async def _tokenize(self, prompt: Prompt, body: Mapping[str, object]) -> Mapping[str, object]:
        await self.start()
        asked = {"model": self._model, **question(prompt), **body}
        return await self._client.post("tokenize", asked, sticky=sticky_key(prompt), at_root=True)

    async def _check_servers(self) -> None:
        lost: list[Unreachable] = []
        stated: set[Fingerprint] = set()

        async def check(url: URL) -> None:
            try:
                names = await self._check_model(url)
            except Unreachable as error:
                lost.append(error)
            else:
                stated.update(filter(None, (stated_fingerprint(names, self._model),)))

        await asyncio.gather(*map(check, self._client.base_urls))
        if len(lost) == len(self._client.base_urls):
            raise lost[0]
        if len(stated) > 1:
            raise EngineUnavailable(
                f"the servers hold different models under the name {self._model!r}: "
                f"{'; '.join(sorted(map(str, stated)))}. Start all with the same model, adapter and dtype"
            )
        if stated and not self._fingerprint.revision:
            self._fingerprint = stated.pop()

    async def _check_model(self, url: URL) -> tuple[str, ...]:
        """The names that the server lists, which must hold the model's where there are any."""
        model = self._model
        try:
            told = read_model_names(await self._client.get("models", at=url, retries=0))
        except CallError:
            return ()
        names = [name for name in told if not is_speaking(name)]
        if not names or model in names or PurePath(model).is_absolute() or model.startswith("."):
            return told
        nearest = get_close_matches(model, names, n=5, cutoff=0.0)
        raise EngineUnavailable(
            f"{url} has no model {model!r}; the nearest of its {len(names)}: {', '.join(nearest)}"
        )


def _completion(answer: Answer, stop: tuple[str, ...]) -> Completion:
    """The answer up to the first stop string: some servers leave that string in the text."""
    found = [position for mark in stop if (position := answer.text.find(mark)) >= 0]
    cut_off = answer.finish_reason == "length" and not found
    return Completion(
        text=answer.text[: min(found)] if found else answer.text,
        finish_reason="length" if cut_off else "stop",
        prompt_tokens=answer.prompt_tokens,
        completion_tokens=answer.completion_tokens,
        cached_tokens=answer.cached_tokens,
    )
