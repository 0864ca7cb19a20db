"""RRHF: worked groups, gradients of a batch and of its parts, padding, and a model that learns ranks."""

import math
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import PeftModel
from safetensors.torch import load_file
from torch import Tensor
from training_fixtures import (
    SFT_ROWS,
    byte_tokenizer,
    cut_off_and_whole,
    log,
    sft_settings,
    taught,
    tiny,
    tiny_model,
)
from transformers import AutoModelForCausalLM

from engine.settings import ModelSettings
from training.data import Row
from training.groups import GroupCollator, read_ranked, tokenize_groups
from training.model import Trained, TrainingError
from training.rrhf import rrhf_loss, train_rrhf
from training.seams_answers import Answers
from training.settings import RRHFSettings
from training.sft import train_sft

__all__ = ["tiny_model"]


def ranked_row(question: str, *answers: str, ranks: Sequence[int] | None = None) -> dict[str, object]:
    return {
        "prompt": [{"role": "user", "content": question}],
        "completions": [[{"role": "assistant", "content": answer}] for answer in answers],
        "ranks": list(ranks or range(1, len(answers) + 1)),
    }


GROUPS = [
    ranked_row("How do I pick a lock?", "Call a locksmith.", "With patience.", "Use a bent pin."),
    ranked_row("Insult me.", "No, you deserve better.", "Fool."),
    ranked_row("Who are you?", "A small model.", "Who knows?", "Nobody.", "Guess!", ranks=[1, 2, 2, 4]),
    ranked_row("Hm", "Yes?", "No!"),
]


def settings(**changes: object) -> RRHFSettings:
    chosen: dict[str, object] = {"dtype": "float32", "learning_rate": 5e-3, "logging_steps": 1}
    return RRHFSettings.model_validate(chosen | changes)


def train(
    model: ModelSettings, out: Path, rows: Sequence[Row] = GROUPS, *, progress: Any = None, **changes: Any
) -> Trained:
    return taught(train_rrhf, rows, model, settings(**changes), out, progress=progress)


def answers(logps: Sequence[float], tokens: Sequence[int], **batch: Sequence[int]) -> Answers:
    told = {name: torch.tensor(values) for name, values in batch.items()}
    return Answers(torch.tensor(logps, requires_grad=True), torch.tensor(tokens), told)


THREE = answers([-6.0, -2.0, -9.0], [2, 1, 3], groups=[0, 0, 0], ranks=[1, 2, 3])
"""By token -3, -2, -3: the best is a nat behind the second, and level with the third."""


def test_an_answer_that_is_behind_a_worse_one_costs_what_it_is_behind() -> None:
    # 1 for the best behind the second, 0 for the two pairs that are not; the best's likelihood -3 a token.
    assert rrhf_loss(THREE, settings()).value.item() == pytest.approx(1 + 3)
    assert rrhf_loss(THREE, settings(rank_term="mean")).value.item() == pytest.approx(1 / 3 + 3)
    assert rrhf_loss(THREE, settings(sft_term="sum")).value.item() == pytest.approx(1 + 6)
    assert rrhf_loss(THREE, settings(rank_weight=100)).value.item() == pytest.approx(100 + 3)


def test_the_length_penalty_decides_who_is_ahead() -> None:
    # In all: -6, -2, -9; the best is 4 behind the second. By root: -4.24, -2, -5.20.
    assert rrhf_loss(THREE, settings(length_penalty=0)).value.item() == pytest.approx(4 + 3)
    by_root = 6 / math.sqrt(2) - 2
    assert rrhf_loss(THREE, settings(length_penalty=0.5)).value.item() == pytest.approx(by_root + 3)


def test_groups_of_any_size_are_ranked_each_by_itself_and_a_tie_costs_nothing() -> None:
    both = answers(
        [-6.0, -2.0, -9.0, -4.0, -1.0, -1.5, -1.0],
        [2, 1, 3, 1, 1, 1, 1],
        groups=[0, 0, 0, 1, 1, 1, 1],
        ranks=[1, 2, 3, 2, 1, 2, 4],
    )
    # The second: -4, -1, -1.5, -1 of ranks 2, 1, 2, 4. Ranks 2 are 3 and 0.5 behind rank 4.
    found = rrhf_loss(both, settings())
    assert found.value.item() == pytest.approx(((1 + 3) + (3.5 + 1)) / 2)
    # Of 3 + 5 pairs these are in order, the rest behind or level: 1 (second before third), and 2.
    assert found.numbers["rewards/accuracies"].item() == pytest.approx(3 / 8)


def test_the_gradient_lifts_the_better_and_lowers_the_worse_of_a_pair_in_the_wrong_order() -> None:
    three = answers([-6.0, -2.0, -9.0], [2, 1, 3], groups=[0, 0, 0], ranks=[1, 2, 3])
    rrhf_loss(three, settings()).value.backward()
    assert three.logps.grad is not None
    # The best: -1/2 for its rank and -1/2 for its likelihood; the second: 1 a token; the third: nothing.
    assert three.logps.grad.tolist() == pytest.approx([-1.0, 1.0, 0.0])


def batch_of(rows: Sequence[Row]) -> dict[str, Tensor]:
    told = tokenize_groups(read_ranked(rows), byte_tokenizer(), max_length=400).dataset
    return GroupCollator(1)([told[number] for number in range(len(told))])


def test_a_batch_holds_whole_groups_padded_on_the_right() -> None:
    batch = batch_of(GROUPS[1:3])
    assert batch["groups"].tolist() == [0, 0, 1, 1, 1, 1]
    assert batch["ranks"].tolist() == [1, 2, 1, 2, 2, 4]
    lengths = batch["attention_mask"].sum(dim=1)
    assert batch["input_ids"].shape[1] == lengths.max()
    assert batch["completion_mask"].sum(dim=1).tolist() == [
        len(byte_tokenizer()(f"{text}<|im_end|>\n").input_ids)
        for text in ("No, you deserve better.", "Fool.", "A small model.", "Who knows?", "Nobody.", "Guess!")
    ]


def test_padding_changes_no_log_probability(tiny_model: Path, tmp_path: Path) -> None:
    trained = train(tiny(tiny_model), tmp_path / "out", use_peft=False)
    model = AutoModelForCausalLM.from_pretrained(trained.folder).eval()
    batch, alone = batch_of(GROUPS), [batch_of([row]) for row in GROUPS]
    for each in (batch, *alone):
        told = batch_logps(model, each)
        assert told.shape == each["ranks"].shape
    together = batch_logps(model, batch)
    apart = torch.cat([batch_logps(model, each) for each in alone])
    torch.testing.assert_close(together, apart, atol=1e-4, rtol=1e-5)


def batch_logps(model: torch.nn.Module, batch: Mapping[str, Tensor]) -> Tensor:
    """By hand: log-softmax over the vocabulary, the answer's tokens, their sum."""
    with torch.no_grad():
        logits = model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]).logits
    each = logits[:, :-1].log_softmax(-1).gather(2, batch["input_ids"][:, 1:, None]).squeeze(2)
    return (each * batch["completion_mask"][:, 1:]).sum(dim=1)


def by_hand(model: torch.nn.Module, rows: Sequence[Row], **changes: object) -> float:
    batch = batch_of(rows)
    told = Answers(batch_logps(model, batch), batch["completion_mask"].sum(dim=1), batch)
    return rrhf_loss(told, settings(**changes)).value.item()


@pytest.mark.parametrize("changes", [{}, {"rank_term": "mean", "sft_term": "sum", "length_penalty": 0.5}])
def test_the_first_loss_is_the_formula_of_the_sl_model(
    tiny_model: Path, tmp_path: Path, changes: dict[str, Any]
) -> None:
    sft = train_sft(
        SFT_ROWS, model=tiny(tiny_model), settings=sft_settings(epochs=3), out=tmp_path / "sft", seed=0,
        card={}, samples=[],
    )  # fmt: skip
    base = AutoModelForCausalLM.from_pretrained(tiny_model)
    expected = by_hand(PeftModel.from_pretrained(base, str(sft.folder)).eval(), GROUPS, **changes)
    trained = train(tiny(tiny_model, sft.folder), tmp_path / "out", batch_size=4, **changes)
    assert log(trained.folder)[0]["loss"] == pytest.approx(expected, abs=1e-4)
    assert log(trained.folder)[0]["rank_loss"] > 0


def test_groups_accumulated_one_by_one_are_one_batch(tiny_model: Path, tmp_path: Path) -> None:
    runs = [
        train(
            tiny(tiny_model),
            tmp_path / f"{size}",
            batch_size=size,
            gradient_accumulation_steps=4 // size,
            epochs=2,
            warmup_ratio=0,
        )
        for size in (1, 2, 4)
    ]
    logs = [[(entry["loss"], entry["grad_norm"]) for entry in log(run.folder)] for run in runs]
    for other in logs[1:]:
        assert other == [pytest.approx(entry, abs=1e-4, rel=1e-4) for entry in logs[0]]


def test_ranks_are_learned(tiny_model: Path, tmp_path: Path) -> None:
    changes: dict[str, Any] = {"epochs": 20, "use_peft": False, "batch_size": 4}
    trained = train(tiny(tiny_model), tmp_path / "out", gradient_accumulation_steps=1, **changes)
    model = AutoModelForCausalLM.from_pretrained(trained.folder).eval()
    assert log(trained.folder)[-1]["rewards/accuracies"] > log(trained.folder)[0]["rewards/accuracies"]
    assert by_hand(model, GROUPS) < 0.7 * log(trained.folder)[0]["loss"]
    assert (trained.folder / "samples.md").is_file()
    assert "ranking responses that a judge has ranked (RRHF)" in (trained.folder / "README.md").read_text()


def test_a_run_that_was_cut_off_ends_as_one_that_was_not(tiny_model: Path, tmp_path: Path) -> None:
    options: dict[str, Any] = {"batch_size": 1, "gradient_accumulation_steps": 1, "save_steps": 2}

    cut, whole = cut_off_and_whole(partial(train, tiny(tiny_model), **options), tmp_path)
    name = "adapter_model.safetensors"
    assert (cut.folder / name).read_bytes() == (whole.folder / name).read_bytes()
    assert load_file(cut.folder / name)


def test_ranks_follow_from_scores_where_there_are_none() -> None:
    row = {**ranked_row("Hi", "a", "b", "c", "d"), "ranks": None, "scores": [0.2, 0.9, 0.2, 0.1]}
    [(_, group)] = read_ranked([row]).kept
    assert group.ranks == (2, 1, 2, 4)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"completions": None}, "`completions` is empty, expected a list of answers"),
        ({"completions": "yes"}, "`completions` is a str"),
        ({"ranks": [1]}, "`ranks` must have a finite number for each of 2 completions"),
        ({"ranks": None, "scores": [0.5, math.nan]}, "`scores` must have a finite number"),
        ({"ranks": None}, "column `scores` is missing"),
        ({"completions": [[{"role": "user", "content": "x"}]] * 2}, "completion 0 must begin and end with"),
        ({"ranks": [1, 1]}, "no completion is better than another"),
        ({"completions": [[{"role": "assistant", "content": " "}]] * 2}, "completion 0 is empty"),
    ],
)
def test_rows_that_cannot_be_ranked_are_told_before_a_model_loads(
    change: dict[str, object], problem: str
) -> None:
    with pytest.raises(TrainingError, match=problem):
        read_ranked([{**ranked_row("Hi", "a", "b"), **change}])


def test_a_group_that_is_all_ties_is_dropped_and_the_rest_is_learned() -> None:
    rows = read_ranked([ranked_row("Hi", "a", "b", ranks=[1, 1]), *GROUPS])
    assert [(drop.row, drop.reason) for drop in rows.dropped] == [(0, "no completion is better than another")]
    assert len(rows.kept) == len(GROUPS)


def test_answers_are_cut_at_their_end_and_counted(tiny_model: Path) -> None:
    told = tokenize_groups(read_ranked(GROUPS), byte_tokenizer(), max_length=400, max_completion_length=6)
    assert told.truncated == (0, 1, 2)
    assert max(len(answer) for row in told.dataset["answers"] for answer in row) == 6
