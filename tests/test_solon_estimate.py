"""What an evaluation will ask, told beforehand from a sample, and found by the run."""

import io
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.gate import Stop
from solon.cli import main
from solon.console import PlainReporter
from solon.estimate import estimate
from solon.estimated import Prices, StageEstimate
from solon.loaded_recipe import load_recipe
from tests.answering_server import Ledger, answering

CONTROLS = ("always-refuse", "always-comply", "echo", "boilerplate")
MEASURED = """\
name: one
constitution: starter
models: {{assistant: {{engine: openai, model: m, base_url: "{url}"}}}}
labeling: {{min_label_mass: 0}}
evaluation:
  suites:
    bad: {{path: prompts.jsonl, kind: harmful}}
    tasks: {{path: prompts.jsonl, kind: helpful, limit: 3}}
  compare: {{limit: 2}}
  strongreject: {{limit: 3}}
  max_tokens: 16
"""
TRAINED = """\
name: one
constitution: starter
data: {{red_team: {{path: red.jsonl}}}}
models: {{assistant: {{model: {model}}}}}
critique:
  respond: {{max_tokens: 6}}
  critique: {{max_tokens: 6}}
  revise: {{max_tokens: 6}}
labeling: {{min_label_mass: 0}}
unaudited: true
training: {{sft: {{}}, reward: {{}}, dpo: {{}}}}
evaluation:
  suites: {{bad: {{path: prompts.jsonl, kind: harmful}}}}
  compare: {{limit: 3, pairs: all}}
  divergence: {{limit: 4, max_tokens: 4}}
  rewards: {{own: {{reward_model: run, role: proxy}}}}
  max_tokens: 6
"""


@pytest.fixture
def server() -> Iterator[Ledger]:
    with answering() as ledger:
        yield ledger


@pytest.fixture
def project(tmp_path: Path) -> Path:
    for name in ("red", "prompts"):
        rows = (json.dumps({"id": f"{name}{n}", "prompt": f"Is {n} a {name} number?"}) for n in range(6))
        (tmp_path / f"{name}.jsonl").write_text("\n".join(rows))
    return tmp_path


def estimated(project: Path, text: str, *, sample: int) -> dict[str, StageEstimate]:
    (project / "recipe.yaml").write_text(text)
    loaded = load_recipe(project / "recipe.yaml")
    found = estimate(
        loaded, project / "out", PlainReporter(io.StringIO()), sample=sample, prices=Prices(), stop=Stop()
    )
    return {stage.name: stage for stage in found}


def test_an_estimate_of_everything_is_what_the_evaluation_asks_and_finds(
    project: Path, server: Ledger
) -> None:
    found = estimated(project, MEASURED.format(url=server.url), sample=100)
    assert {name: (stage.rows, stage.calls) for name, stage in found.items()} == {
        "evaluate base": (9, 9),
        # Two prompts of each kind, in both orders.
        **{f"evaluate {control} against base": (4, 8) for control in CONTROLS},
        # Three answers of the base and of each control.
        "evaluate strongreject": (15, 15),
    }
    asked = len(server.calls)
    # The prompts of the second suite are in the first one, too, and are asked once.
    assert asked == 6 + 8 * len(CONTROLS) + 15
    assert main(["evaluate", str(project / "recipe.yaml"), "--out", str(project / "out")]) == 0
    assert len(server.calls) == asked


def test_a_sample_is_scaled_up_to_all_prompts_and_has_some_of_those_that_are_compared(
    project: Path, server: Ledger
) -> None:
    found = estimated(project, MEASURED.format(url=server.url), sample=2)
    assert found["evaluate base"].sample == 2
    assert found["evaluate base"].calls == 9
    for control in CONTROLS:
        compared = found[f"evaluate {control} against base"]
        assert (compared.rows, compared.calls) == (4, 8)
        assert compared.prompt_tokens > 0


def test_models_that_are_not_trained_yet_are_counted_by_their_stand_in(
    project: Path, tiny_model: Path
) -> None:
    found = estimated(project, TRAINED.format(model=tiny_model), sample=3)
    counts = {name: (stage.rows, round(stage.calls)) for name, stage in found.items()}
    assert list(counts)[:2] == ["critique", "label"]
    assert dict(list(counts.items())[2:]) == {
        **{f"evaluate {model}": (6, 6) for model in ("base", "sft", "dpo")},
        # A sample of the model's own, and what both say of it.
        **{f"evaluate {model} from base": (4, 12) for model in ("sft", "dpo")},
        **{f"evaluate {model} against base": (3, 6) for model in ("sft", "dpo", *CONTROLS)},
        "evaluate dpo against sft": (3, 6),
        # Six answers of each of three models and of four controls.
        "evaluate own rewards": (42, 42),
    }
    assert found["evaluate sft against base"].again == 0
    assert found["evaluate echo against base"].again > 0
