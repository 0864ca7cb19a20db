"""Two responses and a verdict: LLMBar (`output_1`, `output_2`; 1 or 2) and JudgeBench (A>B or B>A)."""

from labeling.audit.human.form import Found, LeftOut, each, label_of, made, own_name
from pipeline.row_content import name_of, text_of
from pipeline.rows import InputError, Row
from prompts.message import Message

_JUDGEBENCH = {"A>B": ("response_A", "response_B"), "B>A": ("response_B", "response_A")}
_LLMBAR = {"1": ("output_1", "output_2"), "2": ("output_2", "output_1")}
_TIES = ("A=B", "B=A", "tie")


def _llmbar(row: Row) -> Found:
    _require_two(row, "output_")
    better, worse = _LLMBAR[label_of(row, "label", _LLMBAR, shown="1, 2")]
    asked = (Message("user", text_of(row, "input")),)
    pair = made(row, asked, (text_of(row, better), text_of(row, worse)), name=own_name(row, "id"))
    return Found(pair, row, better, "chosen" if better == "output_1" else "rejected")


def _judgebench(row: Row) -> Found | LeftOut:
    _require_two(row, "response_", but=("response_model",))
    label = label_of(row, "label", (*_JUDGEBENCH, *_TIES), shown="A>B, B>A, A=B")
    if label in _TIES:
        return LeftOut("people called it a tie")
    better, worse = _JUDGEBENCH[label]
    asked = (Message("user", text_of(row, "question")),)
    responses = (text_of(row, better), text_of(row, worse))
    pair = made(row, asked, responses, kind=name_of(row, "source"), name=own_name(row, "pair_id", "id"))
    return Found(pair, row, better, "chosen" if better == "response_A" else "rejected")


llmbar, judgebench = each(_llmbar), each(_judgebench)


def _require_two(row: Row, prefix: str, *, but: tuple[str, ...] = ()) -> None:
    """Files with a third response mean something else by their label."""
    values = row.values.items()
    names = [key for key, value in values if key.startswith(prefix) and key not in but and value is not None]
    if len(names) > 2:
        what = f"{len(names)} responses: {', '.join(names)}"
        raise InputError(row.problem(what, key=names[2], expected="two responses"))
