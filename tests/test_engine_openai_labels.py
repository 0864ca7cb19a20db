"""How labels are asked for: each way against servers that have it and servers that don't."""

import json
import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from fault_answers import completion, tokenized
from fault_server import FEATURES, MODEL

from engine.openai import OpenAIEngine
from engine.protocol import CallError, Choice, EngineUnavailable
from prompts.message import Message, Prompt

USER = Message("user", "Which?")
PREFILLED = Prompt("compare", "hash", messages=(USER, Message("assistant", "Answer: (")))
ASKED = Prompt("compare", "hash", messages=(USER,))
TEXT = Prompt("compare", "hash", text="Which?\n\nAnswer: (")
LABELS = ("A", "B")
CONSTRAINTS = ("allowed_token_ids", "structured_outputs", "guided_choice")


class Labels:
    """A server with some of vLLM's features; it keeps what it was asked."""

    def __init__(self, *features: str, refuses: tuple[str, ...] = (), merges: bool = False) -> None:
        self.features, self.refuses, self.merges = features, refuses, merges
        self.tokenized: list[dict[str, object]] = []
        self.questions: list[dict[str, object]] = []

    async def answer(self, request: web.Request) -> web.StreamResponse:
        body = await request.json() if request.can_read_body else {}
        if request.path == "/v1/models":
            return web.json_response({"data": [{"id": MODEL}]})
        if request.path == "/tokenize":
            self.tokenized.append(body)
            if "tokenize" not in self.features:
                return web.json_response({"error": "no"}, status=404)
            tokens = tokenized(body)
            return web.json_response({"tokens": [*tokens[:-2], 9] if self.merges else tokens})
        self.questions.append(body)
        if any(field in body for field in self.refuses):
            return web.json_response({"error": {"message": "no such field"}}, status=400)
        reply = completion(request.path, body, request_hash="same", fault="", features=self.features)
        return web.Response(text=json.dumps(reply), content_type="application/json")


@asynccontextmanager
async def asking(server: Labels, **options: object) -> AsyncIterator[OpenAIEngine]:
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", server.answer)
    async with TestServer(app) as running:
        base_url = str(running.make_url("/v1"))
        engine = OpenAIEngine(base_url=base_url, model=MODEL, retries=0, **options)  # pyright: ignore[reportArgumentType]
        try:
            yield engine
        finally:
            await engine.close()


async def chosen(server: Labels, prompt: Prompt = PREFILLED, **options: object) -> Choice:
    async with asking(server, **options) as engine:
        return await engine.choose(prompt, LABELS)


@pytest.mark.parametrize(("prompt", "listed"), [(PREFILLED, ("top_logprobs", 3)), (TEXT, ("logprobs", 3))])
async def test_the_labels_own_tokens_are_asked_for_where_the_server_gives_them(
    prompt: Prompt, listed: tuple[str, int]
) -> None:
    server = Labels(*FEATURES)
    choice = await chosen(server, prompt)
    assert (choice.way, choice.bounded, choice.argmax_is_label) == ("token_ids", False, True)
    assert choice.mass == pytest.approx(0.9)
    question = server.questions[-1]
    assert question["logprob_token_ids"] == [ord("A"), ord("B")]
    assert (question["return_tokens_as_token_ids"], question[listed[0]]) == (True, listed[1])


@pytest.mark.parametrize("field", CONSTRAINTS)
async def test_a_server_that_holds_the_model_to_the_labels_gives_no_mass(field: str) -> None:
    server = Labels("tokenize", field)
    choice = await chosen(server)
    assert (choice.way, choice.mass, choice.bounded) == ("constrained", None, False)
    assert math.fsum(map(math.exp, choice.logprobs.values())) == pytest.approx(1.0)
    assert field in server.questions[-1]


@pytest.mark.parametrize("refuses", [(), ("logprob_token_ids", *CONSTRAINTS)])
async def test_a_server_that_ignores_or_refuses_all_that_gives_its_likeliest_tokens(
    refuses: tuple[str, ...],
) -> None:
    choice = await chosen(Labels("tokenize", refuses=refuses))
    assert (choice.way, choice.bounded) == ("top_logprobs", False)
    assert choice.mass == pytest.approx(0.9)


async def test_without_a_tokenizer_no_token_ids_are_asked_for() -> None:
    server = Labels("logprob_token_ids", "allowed_token_ids")
    assert (await chosen(server)).way == "top_logprobs"
    assert not any("logprob_token_ids" in question for question in server.questions)


async def test_the_way_is_found_out_once_with_small_questions() -> None:
    server = Labels("tokenize")
    long = replace(PREFILLED, messages=(Message("user", "word " * 1000), PREFILLED.messages[1]))
    async with asking(server) as engine:
        for _ in range(3):
            await engine.choose(long, LABELS)
    probes = [question for question in server.questions if len(str(question)) < 1000]
    assert (len(probes), len(server.questions) - len(probes)) == (5, 3)
    assert len(server.tokenized) == 3, "the prompt, and the prompt with each label"


async def test_a_way_that_is_asked_for_by_name_is_the_only_one() -> None:
    assert (await chosen(Labels(*FEATURES), label_way="top_logprobs")).way == "top_logprobs"
    with pytest.raises(EngineUnavailable, match="label_way: token_ids"):
        await chosen(Labels("tokenize"), label_way="token_ids")


@pytest.mark.parametrize("prompt", [PREFILLED, TEXT])
async def test_a_label_that_is_no_single_token_stops_the_run_before_any_question(prompt: Prompt) -> None:
    server = Labels(*FEATURES, merges=True)
    with pytest.raises(EngineUnavailable, match=r"label 'A' changes the tokens before it"):
        await chosen(server, prompt)
    assert server.questions == []


async def test_a_label_that_opens_an_answer_is_not_held_against_the_chat_template() -> None:
    assert (await chosen(Labels(*FEATURES, merges=True), ASKED)).way != "token_ids"
    assert (await chosen(Labels(*FEATURES), ASKED)).way == "token_ids"


async def test_a_label_that_the_server_leaves_out_although_it_was_asked_for_is_a_row_error() -> None:
    server = Labels(*FEATURES)
    async with asking(server) as engine:
        await engine.choose(PREFILLED, LABELS)
        server.features = ("tokenize",)
        with pytest.raises(CallError) as caught:
            await engine.choose(PREFILLED, LABELS)
    assert caught.value.reason in {"no_label", "no_logprobs"}
