"""The engine for OpenAI-compatible servers, against a loopback server that answers and fails by script."""

import asyncio
import math
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer, unused_port

from engine.backoff import Backoff
from engine.openai import OpenAIEngine
from engine.protocol import CallError, Completion, EngineUnavailable, Fingerprint, Sampling
from engine.served_name import speaking_name
from prompts.message import Message, Prompt

KEY = "sk-secret-0123456789"
CHAT = Prompt("respond", "hash", messages=(Message("user", "Hello"),), stop=("\n\nHuman:",))
PREFILLED = Prompt("compare", "hash", messages=(Message("user", "Which?"), Message("assistant", "Answer: (")))
TEXT = Prompt("respond", "hash", text="\n\nHuman: Hello\n\nAssistant:")
LABELS = ("A", "B")
SAMPLING = Sampling(max_tokens=5, temperature=0.5, top_p=0.9, seed=11, stop=("END",))

Reply = Mapping[str, object] | web.StreamResponse | Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass
class Server:
    """Hands out `replies` in order, the last one for ever; keeps what it was asked."""

    replies: list[Reply]
    models: Reply = field(default_factory=lambda: {"data": [{"id": "judge"}, {"id": "judge-large"}]})
    tokenizer: Reply = field(default_factory=lambda: failing(404))
    asked: list[tuple[str, dict[str, object], str]] = field(default_factory=list)
    busiest: int = 0
    _open: int = 0

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self._open += 1
        self.busiest = max(self.busiest, self._open)
        try:
            body = await request.json() if request.can_read_body else {}
            self.asked.append((request.path, body, request.headers.get("Authorization", "")))
            if request.path.endswith("/models"):
                return await _sent(self.models, request)
            if request.path.endswith("/tokenize"):
                return await _sent(self.tokenizer, request)
            return await _sent(self.replies.pop(0) if len(self.replies) > 1 else self.replies[0], request)
        finally:
            self._open -= 1

    @property
    def questions(self) -> list[dict[str, object]]:
        return [body for path, body, _ in self.asked if path.endswith("/completions")]


async def _sent(reply: Reply, request: web.Request) -> web.StreamResponse:
    if callable(reply):
        return await reply(request)
    return reply if isinstance(reply, web.StreamResponse) else web.json_response(dict(reply))


@asynccontextmanager
async def serving(server: Server, **options: object) -> AsyncIterator[OpenAIEngine]:
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", server.answer)
    settings: dict[str, object] = {
        "model": "judge",
        "backoff": Backoff(retries=2, first=0.001, longest=0.002),
    }
    async with TestServer(app) as running:
        base_url = str(running.make_url("/v1"))
        engine = OpenAIEngine(**{"base_url": base_url, **settings, **options})  # pyright: ignore[reportArgumentType]
        try:
            yield engine
        finally:
            await engine.close()


def chat_reply(
    content: str | None = "Hi", finish: str | None = "stop", **choice: object
) -> dict[str, object]:
    message = {"role": "assistant", "content": content}
    return {
        "choices": [{"index": 0, "message": message, "finish_reason": finish, **choice}],
        "usage": {"prompt_tokens": 9, "completion_tokens": 2},
    }


def candidates(**probabilities: float) -> dict[str, object]:
    top = [{"token": name, "logprob": math.log(value)} for name, value in probabilities.items()]
    return chat_reply(logprobs={"content": [{**top[0], "top_logprobs": top}]})


def error(status: int, message: str = "no", **headers: str) -> web.Response:
    return web.json_response({"error": {"message": message}}, status=status, headers=headers)


def failing(status: int, message: str = "no", **headers: str) -> Reply:
    async def reply(_request: web.Request) -> web.StreamResponse:
        return error(status, message, **headers)

    return reply


async def asked_in_vain(server: Server, **options: object) -> CallError:
    async with serving(server, **options) as engine:
        with pytest.raises(CallError) as caught:
            await engine.chat(CHAT, SAMPLING)
    return caught.value


# chat


async def test_messages_go_to_chat_completions_with_every_sampling_parameter() -> None:
    server = Server([chat_reply()])
    async with serving(server, api_key=KEY) as engine:
        completion = await engine.chat(CHAT, SAMPLING)
    assert completion == Completion("Hi", finish_reason="stop", prompt_tokens=9, completion_tokens=2)
    path, body, authorization = server.asked[-1]
    assert (path, authorization) == ("/v1/chat/completions", f"Bearer {KEY}")
    assert body == {
        "model": "judge",
        "messages": [{"role": "user", "content": "Hello"}],
        "max_tokens": 5,
        "temperature": 0.5,
        "top_p": 0.9,
        "seed": 11,
        "stop": ["\n\nHuman:", "END"],
    }


@pytest.mark.parametrize(
    ("details", "cached"),
    [
        ({"cached_tokens": 6}, 6),
        ({"cached_tokens": None}, 0),
        ({"audio_tokens": 1}, 0),
        (None, 0),
        ("many", 0),
        ({"cached_tokens": "6"}, 0),
        ({"cached_tokens": -1}, 0),
        ({"cached_tokens": 600}, 9),
    ],
)
async def test_cached_tokens_are_read_where_a_server_counts_them(details: object, cached: int) -> None:
    usage = {"prompt_tokens": 9, "completion_tokens": 2, "prompt_tokens_details": details}
    replies: list[Reply] = [{**reply, "usage": usage} for reply in (chat_reply(), candidates(A=0.6, B=0.2))]
    async with serving(Server(replies[:1])) as engine:
        assert (await engine.chat(CHAT, SAMPLING)).cached_tokens == cached
    async with serving(Server(replies[1:]), label_way="top_logprobs") as engine:
        assert (await engine.choose(CHAT, LABELS)).cached_tokens == cached


async def test_text_goes_to_completions_as_it_is() -> None:
    server = Server([{"choices": [{"text": " Hi", "finish_reason": "length"}]}])
    async with serving(server) as engine:
        completion = await engine.chat(TEXT, Sampling(max_tokens=1))
    assert completion == Completion(" Hi", finish_reason="length", prompt_tokens=0, completion_tokens=0)
    path, body, authorization = server.asked[-1]
    assert (path, body["prompt"], authorization) == ("/v1/completions", TEXT.text, "")
    assert not {"seed", "stop", "messages"} & set(body)


async def test_a_trailing_assistant_message_is_continued() -> None:
    server = Server([chat_reply("A)")])
    async with serving(server) as engine:
        await engine.chat(PREFILLED, SAMPLING)
    question = server.questions[0]
    assert (question["add_generation_prompt"], question["continue_final_message"]) == (False, True)


async def test_a_server_that_cannot_continue_a_message_stops_the_run_and_says_what_to_use() -> None:
    refusal = web.json_response(
        {"detail": "Unexpected fields in the request: {'continue_final_message'}"}, status=422
    )
    async with serving(Server([refusal])) as engine:
        with pytest.raises(EngineUnavailable, match=r"cannot continue.*'compare'.*vLLM"):
            await engine.chat(PREFILLED, SAMPLING)


@pytest.mark.parametrize(
    ("finish", "expected"),
    [
        ("stop", "stop"),
        ("length", "length"),
        ("eos_token", "stop"),
        ("content_filter", "stop"),
        (None, "stop"),
    ],
)
async def test_an_unknown_finish_reason_counts_as_stop(finish: str | None, expected: str) -> None:
    async with serving(Server([chat_reply("Hi", finish)])) as engine:
        assert (await engine.chat(CHAT, SAMPLING)).finish_reason == expected


async def test_a_stop_string_that_the_server_leaves_in_the_text_is_cut_off() -> None:
    async with serving(Server([chat_reply("Fine. END of it\n\nHuman: and", "length")])) as engine:
        completion = await engine.chat(CHAT, SAMPLING)
    assert (completion.text, completion.finish_reason) == ("Fine. ", "stop")


async def test_a_prompt_without_words_is_a_mistake_of_the_caller() -> None:
    async with serving(Server([chat_reply()])) as engine:
        with pytest.raises(ValueError, match="without messages and without text"):
            await engine.chat(Prompt("empty", "hash"), SAMPLING)


# choose


async def test_labels_are_read_from_the_likeliest_tokens_without_white_space() -> None:
    server = Server([candidates(A=0.5, **{" A": 0.25, "B": 0.125, "C": 0.0625})])
    async with serving(server) as engine:
        choice = await engine.choose(PREFILLED, LABELS)
    assert choice.logprobs == pytest.approx({"A": math.log(0.75), "B": math.log(0.125)})
    assert choice.mass == pytest.approx(0.875)
    assert (choice.argmax_is_label, choice.bounded, choice.prompt_tokens) == (True, False, 9)
    question = server.questions[-1]
    assert (question["max_tokens"], question["logprobs"], question["top_logprobs"]) == (1, True, 20)


async def test_a_missing_label_is_bounded_by_the_smallest_returned_and_flagged() -> None:
    async with serving(Server([candidates(The=0.6, A=0.2, So=0.01)])) as engine:
        choice = await engine.choose(PREFILLED, LABELS)
    assert choice.bounded
    assert choice.logprobs["B"] == pytest.approx(math.log(0.01))
    assert choice.mass == pytest.approx(0.2)
    assert not choice.argmax_is_label


async def test_an_unlikely_sampled_token_does_not_spoil_the_bound() -> None:
    reply = candidates(A=0.6, So=0.3)
    sampled = {"token": "B", "logprob": -12.0, "top_logprobs": [{"token": "A", "logprob": math.log(0.6)}]}
    reply["choices"] = [{"message": {"content": "B"}, "logprobs": {"content": [sampled]}}]
    async with serving(Server([reply])) as engine:
        choice = await engine.choose(PREFILLED, LABELS)
    assert choice.logprobs["B"] == pytest.approx(math.log(0.6))
    assert choice.bounded


async def test_text_prompts_choose_from_the_top_logprobs_of_completions() -> None:
    top = {" B": math.log(0.7), " A": math.log(0.2)}
    server = Server([{"choices": [{"text": " B", "logprobs": {"top_logprobs": [top]}}]}])
    async with serving(server, top_logprobs=5) as engine:
        choice = await engine.choose(TEXT, LABELS)
    assert choice.normalized() == pytest.approx({"A": 2 / 9, "B": 7 / 9})
    assert server.questions[-1]["logprobs"] == 5


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        (candidates(The=0.6, So=0.3), "no_label"),
        (chat_reply("A"), "no_logprobs"),
        (chat_reply(logprobs={"content": []}), "no_logprobs"),
        (chat_reply(logprobs={"content": [{"token": "A", "logprob": None}]}), "nan_logprob"),
        (chat_reply(logprobs={"content": [{"token": "A", "logprob": math.nan}]}), "nan_logprob"),
        (chat_reply(logprobs={"content": [{"token": "A", "logprob": 3.5}]}), "nan_logprob"),
        (chat_reply(logprobs={"content": [{"token": "A", "logprob": -math.inf}]}), "no_logprobs"),
        (chat_reply(logprobs={"content": [{"token": "A"}]}), "bad_answer"),
    ],
)
async def test_a_broken_choice_is_a_row_error_and_never_a_label(reply: Reply, reason: str) -> None:
    async with serving(Server([candidates(A=0.9), reply]), label_way="top_logprobs") as engine:
        with pytest.raises(CallError) as caught:
            await engine.choose(PREFILLED, LABELS)
    assert caught.value.reason == reason


async def test_a_server_without_log_probabilities_stops_the_run() -> None:
    async with serving(Server([chat_reply("A")])) as engine:
        with pytest.raises(EngineUnavailable, match="returns no log-probabilities"):
            await engine.choose(PREFILLED, LABELS)


# score


def echoed(tokens: list[str], values: list[float | None], *, counted: bool = True) -> dict[str, object]:
    """The echo of a prompt and one generated token, which must never be scored."""
    logprobs = {"tokens": [*tokens, "!"], "token_logprobs": [*values, -77.0]}
    reply: dict[str, object] = {"choices": [{"text": "".join(tokens) + "!", "logprobs": logprobs}]}
    return {**reply, "usage": {"prompt_tokens": len(tokens)}} if counted else reply


async def test_a_score_sums_the_tokens_of_the_completion_alone() -> None:
    prompt = Prompt("respond", "hash", text="1 + 1 =")
    server = Server([echoed(["1", " +", " 1", " =", " t", "wo"], [None, -1.0, -2.0, -3.0, -0.5, -0.25])])
    async with serving(server) as engine:
        score = await engine.score(prompt, " two")
    assert (score.logprob, score.tokens) == (-0.75, 2)
    assert (server.questions[0]["prompt"], server.questions[0]["echo"]) == ("1 + 1 = two", True)


async def test_a_server_that_counts_no_tokens_still_scores_the_prompt_alone() -> None:
    async with serving(Server([echoed(["Hi", " you"], [None, -1.5], counted=False)])) as engine:
        score = await engine.score(Prompt("respond", "hash", text="Hi"), " you")
    assert (score.logprob, score.tokens) == (-1.5, 1)


async def test_a_character_of_several_tokens_is_scored_whole() -> None:
    prompt = Prompt("respond", "hash", text="Hi")
    async with serving(Server([echoed(["Hi", "", " 😀"], [None, -4.0, -1.0])])) as engine:
        score = await engine.score(prompt, " 😀")
    assert (score.logprob, score.tokens) == (-5.0, 2)


async def test_chat_prompts_are_scored_by_prompt_logprobs_of_a_continued_message() -> None:
    positions = [
        None,
        {"5": {"logprob": -9.0, "decoded_token": "Answer: ("}},
        {"6": {"logprob": -0.5, "decoded_token": "A"}},
    ]
    server = Server([{**chat_reply(), "prompt_logprobs": positions}])
    async with serving(server) as engine:
        score = await engine.score(PREFILLED, "A")
    assert (score.logprob, score.tokens) == (-0.5, 1)
    question = server.questions[0]
    assert question["messages"] == [
        {"role": "user", "content": "Which?"},
        {"role": "assistant", "content": "Answer: (A"},
    ]
    assert question["continue_final_message"] is True


@pytest.mark.parametrize(
    ("tokens", "values", "reason"),
    [
        (["Hi", " the", "re"], [None, -1.0, -1.0], "token_boundary"),
        (["Hi", " the", "r", "e"], [None, -1.0, None, -1.0], "nan_logprob"),
        (["Hi", " the", "r", "e"], [None, -1.0, math.nan, -1.0], "nan_logprob"),
    ],
)
async def test_a_score_that_cannot_be_told_is_a_row_error(
    tokens: list[str], values: list[float | None], reason: str
) -> None:
    async with serving(Server([echoed(tokens, values)])) as engine:
        with pytest.raises(CallError) as caught:
            await engine.score(
                Prompt("respond", "hash", text="Hi the"), "re" if reason == "nan_logprob" else "ere"
            )
    assert caught.value.reason == reason


@pytest.mark.parametrize("prompt", [CHAT, TEXT])
async def test_a_server_that_does_not_score_prompts_stops_the_run(prompt: Prompt) -> None:
    reply: Reply = chat_reply() if prompt.text is None else {"choices": [{"text": "Hi"}]}
    async with serving(Server([reply])) as engine:
        with pytest.raises(EngineUnavailable, match="no log-probabilities for the tokens of a prompt"):
            await engine.score(prompt, " there")


async def test_an_empty_completion_is_certain_and_costs_no_call() -> None:
    server = Server([chat_reply()])
    async with serving(server) as engine:
        assert (await engine.score(CHAT, "")).logprob == 0.0
    assert server.asked == []


# starting


async def test_a_model_that_the_server_does_not_have_is_named_with_its_nearest() -> None:
    async with serving(Server([chat_reply()]), model="jugde") as engine:
        with pytest.raises(
            EngineUnavailable, match="no model 'jugde'; the nearest of its 2: judge, judge-large"
        ):
            await engine.chat(CHAT, SAMPLING)


@pytest.mark.parametrize("models", [{"data": []}, {}, failing(500)])
async def test_a_server_without_a_list_of_models_is_believed(models: Reply) -> None:
    async with serving(Server([chat_reply()], models=models)) as engine:
        assert (await engine.chat(CHAT, SAMPLING)).text == "Hi"


async def test_a_model_named_by_its_folder_need_not_be_listed() -> None:
    async with serving(Server([chat_reply()]), model="/models/judge") as engine:
        assert (await engine.chat(CHAT, SAMPLING)).text == "Hi"


async def test_the_model_is_looked_up_once_however_many_ask_first() -> None:
    server = Server([chat_reply()])
    async with serving(server) as engine:
        await asyncio.gather(*(engine.chat(CHAT, SAMPLING) for _ in range(5)))
    assert [path for path, _, _ in server.asked].count("/v1/models") == 1


async def test_a_server_that_is_not_running_is_said_at_once() -> None:
    engine = OpenAIEngine(base_url=f"http://127.0.0.1:{unused_port()}/v1", model="judge", retries=50)
    with pytest.raises(EngineUnavailable, match=r"cannot connect to .*attempts: 1.*Is the server running"):
        await engine.start()
    await engine.close()


def test_one_engine_serves_several_event_loops_one_after_the_other() -> None:
    async def rounds(port: int, engine: OpenAIEngine) -> list[str]:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", Server([chat_reply()]).answer)
        async with TestServer(app, port=port):
            answers = await asyncio.gather(*(engine.chat(CHAT, SAMPLING) for _ in range(4)))
            await engine.close()
        return [answer.text for answer in answers]

    port = unused_port()
    engine = OpenAIEngine(base_url=f"http://127.0.0.1:{port}/v1", model="judge", max_in_flight=2)
    assert [asyncio.run(rounds(port, engine)) for _ in range(2)] == [["Hi"] * 4] * 2


def test_the_fingerprint_is_the_model_and_its_revision_and_not_the_address() -> None:
    here = OpenAIEngine(base_url="http://127.0.0.1:1/v1", model="judge", timeout_s=1.0)
    there = OpenAIEngine(base_url="http://127.0.0.1:2/v1", model="judge", max_in_flight=2, api_key=KEY)
    assert here.fingerprint == there.fingerprint
    newer = OpenAIEngine(base_url="http://127.0.0.1:1/v1", model="judge", revision="2")
    assert newer.fingerprint.digest != here.fingerprint.digest


def listing(*names: str) -> dict[str, object]:
    return {"data": [{"id": name} for name in names]}


async def test_the_fingerprint_is_what_a_server_that_solon_started_says_of_itself() -> None:
    said = Fingerprint("SmolLM2", "c0ffee", "", "float32", "template")
    server = Server([chat_reply()], models=listing("judge", speaking_name("judge", said)))
    async with serving(server) as engine:
        await engine.start()
        assert engine.fingerprint == said
        await engine.chat(CHAT, SAMPLING)
        assert server.questions[0]["model"] == "judge"
    async with serving(server, revision="mine") as engine:
        await engine.start()
        assert engine.fingerprint == Fingerprint("judge", "mine")


async def test_servers_that_say_different_things_under_one_name_are_refused() -> None:
    apps = []
    for dtype in ("float32", "bfloat16"):
        said = speaking_name("judge", Fingerprint("SmolLM2", dtype=dtype))
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", Server([chat_reply()], models=listing("judge", said)).answer)
        apps.append(app)
    async with TestServer(apps[0]) as one, TestServer(apps[1]) as other:
        urls = [str(server.make_url("/v1")) for server in (one, other)]
        engine = OpenAIEngine(base_url=urls, model="judge")
        with pytest.raises(EngineUnavailable, match="different models under the name 'judge'"):
            await engine.start()
        await engine.close()


# faults


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        (web.Response(text="<html>busy</html>"), "invalid_json"),
        (web.Response(text="[1]"), "invalid_json"),
        (web.Response(text="[" * 100_000), "invalid_json"),
        (web.Response(body=b'{"choices": "\xff"}'), "invalid_json"),
        ({"choices": []}, "no_choices"),
        ({"error": {"message": "upstream"}}, "server_error"),
        ({"choices": [{"text": "no message"}]}, "bad_answer"),
        (chat_reply(None, "content_filter"), "null_content"),
        (chat_reply("\ud800 alone"), "bad_text"),
        (error(400, "This model's maximum context length is 1024 tokens."), "too_long"),
        (error(413, "Payload"), "too_long"),
        (error(400, "messages: bad"), "bad_request"),
    ],
)
async def test_an_answer_that_is_none_is_a_typed_row_error_asked_once(reply: Reply, reason: str) -> None:
    server = Server([reply])
    assert (await asked_in_vain(server)).reason == reason
    assert len(server.questions) == 1


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
async def test_a_passing_failure_is_asked_again(status: int) -> None:
    server = Server([failing(status), failing(status), chat_reply()])
    async with serving(server) as engine:
        assert (await engine.chat(CHAT, SAMPLING)).text == "Hi"
    assert len(server.questions) == 3


@pytest.mark.parametrize(("status", "reason"), [(429, "rate_limited"), (503, "server_error")])
async def test_a_failure_that_stays_is_given_up_after_the_last_retry(status: int, reason: str) -> None:
    server = Server([failing(status, "busy")])
    caught = await asked_in_vain(server)
    assert caught.reason == reason
    assert "busy (attempts: 3)" in str(caught)
    assert len(server.questions) == 3


async def test_a_connection_that_breaks_off_is_asked_again_and_then_given_up() -> None:
    async def hang_up(request: web.Request) -> web.StreamResponse:
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    async def half_an_answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": "1000"})
        await response.prepare(request)
        await response.write(b'{"choices"')
        assert request.transport is not None
        request.transport.close()
        return response

    async with serving(Server([hang_up, half_an_answer, chat_reply()])) as engine:
        assert (await engine.chat(CHAT, SAMPLING)).text == "Hi"
    assert (await asked_in_vain(Server([hang_up]))).reason == "connection"


async def test_a_silent_server_is_a_time_out() -> None:
    async def silent(request: web.Request) -> web.StreamResponse:
        await asyncio.sleep(0.5)
        return web.Response()

    server = Server([silent])
    caught = await asked_in_vain(server, timeout_s=0.02, backoff=Backoff(retries=1, first=0.001))
    assert caught.reason == "timeout"
    assert len(server.questions) == 2


@pytest.mark.parametrize("status", [401, 403, 404, 405, 302])
async def test_what_no_retry_can_mend_stops_the_run_at_once(status: int) -> None:
    server = Server([failing(status)])
    async with serving(server) as engine:
        with pytest.raises(EngineUnavailable, match=f"answered {status}"):
            await engine.chat(CHAT, SAMPLING)
    assert len(server.questions) == 1


@pytest.mark.parametrize(
    ("status", "message"), [(429, "code insufficient_quota"), (400, "Unsupported parameter: 'max_tokens'")]
)
async def test_a_refusal_that_meets_every_row_stops_the_run(status: int, message: str) -> None:
    async with serving(Server([failing(status, message)])) as engine:
        with pytest.raises(EngineUnavailable, match=message):
            await engine.chat(CHAT, SAMPLING)


async def test_no_more_calls_are_open_than_allowed() -> None:
    async def slow(request: web.Request) -> web.StreamResponse:
        await asyncio.sleep(0.01)
        return web.json_response(chat_reply())

    server = Server([slow])
    async with serving(server, max_in_flight=3) as engine:
        await asyncio.gather(*(engine.chat(CHAT, SAMPLING) for _ in range(12)))
    assert server.busiest == 3


# the key


async def test_the_key_is_in_no_error_traceback_or_repr() -> None:
    seen: list[str] = []
    faults: list[Reply] = [
        failing(401, f"bad key {KEY}"),
        failing(400, f"echo {KEY}"),
        failing(500, "x" * 395 + KEY),
        web.Response(text=f"Bearer {KEY}"),
        {"choices": [{"message": {"content": 7, "key": KEY}}]},
        {"error": KEY},
    ]
    for fault in faults:
        async with serving(Server([fault]), api_key=KEY) as engine:
            try:
                await engine.chat(CHAT, SAMPLING)
            except (CallError, EngineUnavailable) as caught:
                seen += [repr(caught), "".join(traceback.format_exception(caught)), repr(engine)]
            seen += [repr(vars(engine)), repr(vars(engine._client))]
    assert len(seen) == 5 * len(faults)
    assert not any("sk-s" in text for text in seen), "not even the start of it"


@pytest.mark.parametrize(
    "url", ["http://user:pw@host/v1", "ftp://host/v1", "host:80/v1", "", "http://h/v1?key=1"]
)
def test_a_base_url_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="base URL") as caught:
        OpenAIEngine(base_url=url, model="judge")
    assert "pw" not in str(caught.value)


def test_a_key_that_cannot_be_sent_is_refused_unseen() -> None:
    with pytest.raises(ValueError, match="cannot be sent") as caught:
        OpenAIEngine(base_url="http://127.0.0.1:1/v1", model="judge", api_key="sk-a\nb")
    assert "sk-a" not in str(caught.value)


async def test_white_space_around_a_key_is_taken_off_and_a_blank_key_is_none() -> None:
    for given, sent in ((f" {KEY}\n", f"Bearer {KEY}"), ("  ", "")):
        server = Server([chat_reply()])
        async with serving(server, api_key=given) as engine:
            await engine.start()
        assert server.asked[0][2] == sent
