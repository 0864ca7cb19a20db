"""What the fault server answers: a function of the request alone, in the shapes of OpenAI and vLLM.

A decoded request, its hash and the fault that was drawn for it come in, a JSON object goes out. Labels are
single characters, each its own token, as `tokenize` says.
"""

import hashlib
import math
from collections.abc import Mapping
from typing import cast

Json = Mapping[str, object]


def share(*parts: object) -> float:
    """A number in [0, 1) that is a function of the parts alone."""
    digest = hashlib.sha256("\x1f".join(map(str, parts)).encode()).digest()
    return int.from_bytes(digest[:8]) / 2.0**64


def chat_text(request_hash: str) -> str:
    """What a chat with this hash is answered."""
    return f"answer {request_hash}"


def label_logprob(request_hash: str) -> float:
    """What a question with this hash is told of the first of two labels whose tokens it asks for."""
    return math.log(_weights(request_hash, 2)[0] / 0.9 * 0.9)


def _weights(request_hash: str, count: int) -> list[float]:
    """Probabilities of `count` labels, together 0.9."""
    shares = [0.05 + share(request_hash, "label", number) for number in range(count)]
    return [0.9 * share / math.fsum(shares) for share in shares]


def tokenized(body: Json) -> list[int]:
    """One token for each character; chat messages between marks."""
    if "prompt" in body:
        return list(map(ord, str(body["prompt"])))
    messages = cast("list[Mapping[str, str]]", body["messages"])
    text = "".join(f"<{message['role']}>{message['content']}</>" for message in messages)
    opened = text[: -len("</>")] if body.get("continue_final_message") else f"{text}<assistant>"
    return list(map(ord, opened))


def _label_candidates(body: Json, request_hash: str, features: tuple[str, ...]) -> dict[str, float]:
    """Next tokens and their probabilities, likeliest among the labels first."""
    if "logprob_token_ids" in features and "logprob_token_ids" in body:
        return _named(_ids(body, "logprob_token_ids"), request_hash, mass=0.9)
    if "allowed_token_ids" in features and "allowed_token_ids" in body:
        return _named(_ids(body, "allowed_token_ids"), request_hash, mass=1.0)
    structured = cast("Mapping[str, list[str]]", body.get("structured_outputs") or {})
    for feature, labels in (
        ("structured_outputs", structured.get("choice")),
        ("guided_choice", cast("list[str] | None", body.get("guided_choice"))),
    ):
        if feature in features and labels:
            return {
                label: w / 0.9 for label, w in zip(labels, _weights(request_hash, len(labels)), strict=True)
            }
    first, second = _weights(request_hash, 2)
    return {"A": first, "B": second, **{f"word{number}": 0.1 / 18 for number in range(18)}}


def _ids(body: Json, name: str) -> list[int]:
    return cast("list[int]", body[name])


def _named(ids: list[int], request_hash: str, *, mass: float) -> dict[str, float]:
    weights = zip(ids, _weights(request_hash, len(ids)), strict=True)
    return {f"token_id:{token}": weight / 0.9 * mass for token, weight in weights}


def completion(path: str, body: Json, *, request_hash: str, fault: str, features: tuple[str, ...]) -> Json:
    is_chat = path.endswith("chat/completions")
    text = None if fault == "null_content" else chat_text(request_hash)
    choice: dict[str, object] = {"index": 0, "finish_reason": "length" if fault == "cut_off" else "stop"}
    choice |= {"message": {"role": "assistant", "content": text}} if is_chat else {"text": text}
    if body.get("logprobs") and fault != "no_logprobs":
        chances = _label_candidates(body, request_hash, features)
        values = {token: math.log(chance) for token, chance in chances.items()}
        if fault == "nan_logprob":
            values[next(iter(values))] = math.nan
        listed = [{"token": token, "logprob": value} for token, value in values.items()]
        choice["logprobs"] = (
            {"content": [{**listed[0], "top_logprobs": listed}]} if is_chat else {"top_logprobs": [values]}
        )
    read = len(str(body)) // 4
    return {
        "id": request_hash,
        "object": "chat.completion" if is_chat else "text_completion",
        "created": 1_763_800_000,
        "model": str(body.get("model")),
        "choices": [] if fault == "no_choices" else [choice],
        "usage": {"prompt_tokens": read, "completion_tokens": 4, "total_tokens": read + 4},
    }
