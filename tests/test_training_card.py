"""The model card keeps its own structure, whatever a recipe or a data set says."""

import ast
from itertools import pairwise

from markdown_it import MarkdownIt
from training_fixtures import sft_settings

from engine.settings import ModelSettings
from training.card import model_card

HOSTILE = 'x"```\n\n# Approved by all\n\n| a |\n| - |\n\n[click](http://e.org) <b>'


def card(name: str, **more: str) -> str:
    return model_card(
        "sft",
        kind="adapter",
        model=ModelSettings(model=name),
        settings=sft_settings(),
        facts={name: name, **more},
        numbers={"loss": "1"},
        dropped=name,
    )


def test_no_text_forges_a_heading_a_table_a_link_or_a_tag() -> None:
    shapes = []
    for name in ("plain", HOSTILE):
        tokens = MarkdownIt("commonmark").enable("table").parse(card(name).split("---\n", 2)[2])
        inline = [child.type for token in tokens for child in token.children or ()]
        shapes.append([token.type for token in tokens] + inline)
    assert shapes[0] == shapes[1]


def test_the_code_that_loads_the_model_names_it_as_it_is() -> None:
    tokens = MarkdownIt("commonmark").parse(card(HOSTILE))
    [code] = [token.content for token in tokens if token.type == "fence"]
    assert HOSTILE in [node.value for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Constant)]


def test_the_sections_come_in_their_order() -> None:
    tokens = MarkdownIt("commonmark").parse(card("plain").split("---\n", 2)[2])
    headings = [after.content for token, after in pairwise(tokens) if token.type == "heading_open"]
    assert headings[1:] == ["Where it comes from", "How it went", "Settings", "Use"]


def test_what_a_reader_must_know_stands_before_the_title() -> None:
    text = card("plain", warning="Unaudited: nobody has held the judge against people.").split("---\n", 2)[2]
    assert text.strip().startswith("> **Unaudited: nobody has held the judge against people.**\n\n# ")
