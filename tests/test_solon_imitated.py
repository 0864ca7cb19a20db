"""What SFT learns from: helpful samples drawn to a share, and demonstrations behind them."""

from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from solon.imitated import imitated
from solon.loaded_recipe import LoadedRecipe, load_recipe
from solon.stages.train import _drawn
from solon.validate import problems

RECIPE = """\
name: shares
constitution: starter
data:
  red_team: {path: red.jsonl}
  helpful: {path: helpful.jsonl}
models: {assistant: {model: embedded}}
training: {sft: {}}
"""


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shares")
    (folder / "recipe.yaml").write_text(RECIPE)
    for kind in ("red", "helpful"):
        (folder / f"{kind}.jsonl").write_text('{"prompt": "' + kind + '?"}\n')
    (folder / "worked.jsonl").write_text(
        '{"messages": [{"role": "user", "content": "1?"}, {"role": "assistant", "content": "2"}]}\n'
    )
    return folder / "recipe.yaml"


def loaded(recipe: Path, *overrides: str) -> LoadedRecipe:
    return load_recipe(recipe, overrides)


def made(*, revisions: int, helpful: int) -> list[Mapping[str, object]]:
    return [
        *({"id": f"red-{number}/1", "kind": "red_team"} for number in range(revisions)),
        *({"id": f"good-{number}/0", "kind": "helpful"} for number in range(helpful)),
    ]


def kinds(rows: object) -> Counter[str]:
    return Counter(str(row["kind"]) for row in rows)  # type: ignore[attr-defined]


def test_all_samples_are_learned_from_where_no_share_is_said(recipe: Path) -> None:
    rows = imitated(loaded(recipe), made(revisions=3, helpful=9))
    assert kinds(rows) == {"red_team": 3, "helpful": 9}
    assert _drawn(rows) == {}


def test_a_share_is_of_what_is_learned_from(recipe: Path) -> None:
    rows = imitated(loaded(recipe, "training.sft.helpful_share=0.6"), made(revisions=4, helpful=9))
    assert kinds(rows) == {"red_team": 4, "helpful": 6}
    assert _drawn(rows) == {"helpful share": "6 helpful samples, 60.0 % of the rows that critique made"}


def test_too_few_samples_are_all_taken_and_the_card_says_so(recipe: Path) -> None:
    rows = imitated(loaded(recipe, "training.sft.helpful_share=0.8"), made(revisions=4, helpful=4))
    assert kinds(rows) == {"red_team": 4, "helpful": 4}
    assert _drawn(rows)["helpful share"].endswith(
        "50.0 % of the rows that critique made; 80.0 % were asked for, and there are no more"
    )


def test_no_helpful_samples_may_be_asked_for(recipe: Path) -> None:
    rows = imitated(loaded(recipe, "training.sft.helpful_share=0"), made(revisions=4, helpful=4))
    assert kinds(rows) == {"red_team": 4}


def test_the_seed_draws_and_the_order_stays(recipe: Path) -> None:
    def drawn(*overrides: str) -> list[object]:
        rows = imitated(
            loaded(recipe, "training.sft.helpful_share=0.5", *overrides), made(revisions=8, helpful=40)
        )
        assert list(rows) == list(rows)
        return [row["id"] for row in rows]

    first = drawn()
    assert first == drawn()
    assert first != drawn("seed=1")
    places = [[row["id"] for row in made(revisions=8, helpful=40)].index(name) for name in first]
    assert places == sorted(places)


@given(st.integers(0, 30), st.integers(0, 30), st.floats(0, 0.95))
def test_the_share_is_met_to_half_a_row_or_everything_is_taken(
    recipe: Path, revisions: int, helpful: int, share: float
) -> None:
    asked = loaded(recipe, f"training.sft.helpful_share={share!r}")
    found = kinds(imitated(asked, made(revisions=revisions, helpful=helpful)))
    wanted = revisions * share / (1 - share)
    assert found["red_team"] == revisions
    assert found["helpful"] == helpful or abs(found["helpful"] - wanted) <= 0.5


def test_demonstrations_come_behind_whatever_the_share(recipe: Path) -> None:
    asked = loaded(recipe, "training.sft.helpful_share=0.5", "data.demonstrations={path: worked.jsonl}")
    rows = list(imitated(asked, made(revisions=2, helpful=5)))
    assert len(rows) == 5
    assert rows[-1]["messages"][1]["content"] == "2"  # type: ignore[index]


def test_a_share_without_helpful_prompts_is_told(recipe: Path) -> None:
    asked = loaded(recipe, "training.sft.helpful_share=0.5", "data.helpful=null")
    [text] = problems(asked, recipe.parent / "out")
    assert "`training.sft.helpful_share` asks for helpful samples, and there are none" in text
