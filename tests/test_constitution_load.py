"""Reading constitutions: names and paths, inheriting, selecting, weighting, and each refusal at its place."""

from pathlib import Path

import pytest

from constitution.document import DocumentError
from constitution.load import check, load, shipped

PARENT = """\
name: parent
version: "1"
description: not inherited
principles:
  - {id: one, comparison_question: Q1, tags: [x]}
  - {id: two, comparison_question: Q2, tags: [x, y], weight: 2}
  - {id: three, comparison_question: Q3}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "parent.yaml").write_text(PARENT)
    return tmp_path


def child(folder: Path, body: str) -> Path:
    path = folder / "child.yaml"
    path.write_text(f'name: child\nversion: "2"\n{body}')
    return path


def weights(path: Path) -> dict[str, float]:
    return {principle.id: principle.weight for principle in load(path).principles}


def refusal(path: str | Path, folder: Path | None = None) -> str:
    with pytest.raises(DocumentError) as caught:
        load(path)
    return str(caught.value).replace(f"{folder}/", "")


def test_a_file_is_read_by_path_and_relative_to_a_folder(folder: Path) -> None:
    assert load(folder / "parent.yaml") == load("parent.yaml", relative_to=folder)
    assert load(str(folder / "parent.yaml")).name == "parent"


def test_a_bare_name_is_a_shipped_constitution_wherever_one_stands(folder: Path) -> None:
    assert load("starter", relative_to=folder).name == "starter"
    assert shipped() == ["harmless", "helpful_harmless", "starter"]


def test_an_unknown_name_is_refused_with_the_nearest() -> None:
    assert refusal("harmles") == (
        "harmles: no constitution called 'harmles' ships with Solon\n"
        "  expected: one of harmless, helpful_harmless, starter, or a path such as ./harmles.yaml\n"
        "  did you mean 'harmless'?\n"
        "  next: for a file, give its path"
    )


def test_an_unknown_name_that_a_file_has_says_how_to_read_the_file(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    assert refusal("parent").endswith("  next: to read the file, write ./parent.yaml")


def test_inherited_principles_come_first_and_the_rest_is_the_files_own(folder: Path) -> None:
    path = child(folder, "extends: parent.yaml\nprinciples:\n  - {id: own, comparison_question: Q}\n")
    constitution = load(path)
    assert [principle.id for principle in constitution.principles] == ["one", "two", "three", "own"]
    assert (constitution.name, constitution.version, constitution.description) == ("child", "2", "")


def test_a_shipped_constitution_can_be_extended(folder: Path) -> None:
    path = child(folder, "extends: harmless\nselect: {ids: [fraud]}\n")
    assert [principle.id for principle in load(path).principles] == ["fraud"]


@pytest.mark.parametrize(
    ("select", "kept"),
    [
        ("{tags: [x]}", ["one", "two"]),
        ("{tags: [y], ids: [three]}", ["two", "three"]),
        ("{exclude_tags: [y]}", ["one", "three"]),
        ("{tags: [x], exclude_ids: [one]}", ["two"]),
        ("{}", ["one", "two", "three"]),
    ],
)
def test_selection_keeps_tags_and_ids_less_the_excluded(folder: Path, select: str, kept: list[str]) -> None:
    assert list(weights(child(folder, f"extends: parent.yaml\nselect: {select}\n"))) == kept


def test_weights_are_changed_for_inherited_principles(folder: Path) -> None:
    path = child(folder, "extends: parent.yaml\nweights: {one: 0, three: 2.5}\n")
    assert weights(path) == {"one": 0.0, "two": 2.0, "three": 2.5}


def test_an_inherited_principle_is_replaced_by_excluding_it_first(folder: Path) -> None:
    body = (
        "extends: parent.yaml\nselect: {exclude_ids: [one]}\n"
        "principles:\n  - {id: one, comparison_question: New}\n"
    )
    assert load(child(folder, body)).get("one").comparison_question == "New"


def test_the_digest_does_not_depend_on_layout_or_inheritance(folder: Path) -> None:
    written_out = folder / "parent2.yaml"
    written_out.write_text(
        "# the same, laid out otherwise\n"
        + PARENT.replace("comparison_question: Q1", 'comparison_question: "Q1"')
    )
    assert load(written_out).digest == load(folder / "parent.yaml").digest
    inheriting = folder / "heir.yaml"
    inheriting.write_text('name: parent\nversion: "1"\ndescription: not inherited\nextends: parent.yaml\n')
    assert load(inheriting).digest == load(folder / "parent.yaml").digest


def test_an_inherited_id_is_refused_with_both_ways_out(folder: Path) -> None:
    body = "extends: parent.yaml\nprinciples:\n  - id: two\n    comparison_question: Q\n"
    assert refusal(child(folder, body), folder) == (
        "child.yaml:5:9: a principle `two` is there already, inherited from `parent.yaml`\n"
        "  5 |   - id: two\n"
        "    |         ^^^\n"
        "  next: choose another id, or put the new one in its place with `select: {exclude_ids: [two]}`"
    )


def test_an_id_that_is_used_twice_in_a_file_is_refused(folder: Path) -> None:
    body = (
        "principles:\n  - {id: a, comparison_question: Q}\n  - {id: b, comparison_question: Q}\n"
        "  - {id: a, comparison_question: Q}\n"
    )
    assert refusal(child(folder, body), folder) == (
        "child.yaml:6:10: a principle `a` is there already, on line 4\n"
        "  6 |   - {id: a, comparison_question: Q}\n"
        "    |          ^\n"
        "  next: choose another id"
    )


def test_a_weight_for_a_principle_that_is_not_inherited_is_refused(folder: Path) -> None:
    body = (
        "extends: parent.yaml\nweights:\n  tree: 2\n  own: 3\n"
        "principles:\n  - {id: own, comparison_question: Q}\n"
    )
    assert refusal(child(folder, body), folder) == (
        "child.yaml:5:3: no inherited principle is called `tree`\n"
        "  5 |   tree: 2\n"
        "    |   ^^^^\n"
        "  expected: one of one, two, three\n"
        "  did you mean 'three'?\n\n"
        "child.yaml:6:3: no inherited principle is called `own`\n"
        "  6 |   own: 3\n"
        "    |   ^^^\n"
        "  expected: one of one, two, three\n"
        "  next: write `weight:` in the principle `own` itself\n\n"
        "2 problems in child.yaml"
    )


def test_a_selection_of_what_is_not_inherited_is_refused(folder: Path) -> None:
    body = "extends: parent.yaml\nselect:\n  tags: [x, q]\n  exclude_ids: [to]\n"
    assert refusal(child(folder, body), folder) == (
        "child.yaml:5:13: no inherited tag is called `q`\n"
        "  5 |   tags: [x, q]\n"
        "    |             ^\n"
        "  expected: one of x, y\n\n"
        "child.yaml:6:17: no inherited principle is called `to`\n"
        "  6 |   exclude_ids: [to]\n"
        "    |                 ^^\n"
        "  expected: one of one, two, three\n"
        "  did you mean 'two'?\n\n"
        "2 problems in child.yaml"
    )


def test_select_and_weights_without_extends_are_refused(folder: Path) -> None:
    body = "select: {ids: [a]}\nprinciples:\n  - {id: a, comparison_question: Q}\n"
    assert refusal(child(folder, body), folder) == (
        "child.yaml:3:1: `select` is for inherited principles, and the file extends nothing\n"
        "  3 | select: {ids: [a]}\n"
        "    | ^^^^^^\n"
        "  next: add `extends:`, or remove `select`"
    )
    body = "weights: {a: 2}\nprinciples:\n  - {id: a, comparison_question: Q}\n"
    assert "next: add `extends:`, or remove `weights`" in refusal(child(folder, body), folder)


@pytest.mark.parametrize(
    ("extends", "what"),
    [
        ("harmles", "no constitution called 'harmles' ships with Solon"),
        ("parents.yaml", "there is no file parents.yaml"),
        ("child.yaml", "the constitutions extend each other in a circle: child.yaml -> child.yaml"),
    ],
)
def test_a_parent_that_cannot_be_read_is_refused_at_its_name(folder: Path, extends: str, what: str) -> None:
    message = refusal(child(folder, f"extends: {extends}\n"), folder)
    assert message.startswith(f"child.yaml:3:10: {what}\n  3 | extends: {extends}\n    |          ^")


def test_a_circle_of_files_is_refused_and_named(folder: Path) -> None:
    child(folder, "extends: ./b.yaml\n")
    (folder / "b.yaml").write_text('name: b\nversion: "1"\nextends: c.yaml\n')
    (folder / "c.yaml").write_text('name: c\nversion: "1"\nextends: child.yaml\n')
    message = refusal(folder / "child.yaml", folder)
    assert message.startswith("c.yaml:3:10: the constitutions extend each other in a circle: ")
    assert "circle: child.yaml -> b.yaml -> c.yaml -> child.yaml\n" in message


def test_a_mistake_in_the_parent_is_told_in_the_parents_file(folder: Path) -> None:
    (folder / "parent.yaml").write_text(PARENT.replace("version:", "verson:"))
    assert refusal(child(folder, "extends: parent.yaml\n"), folder).startswith(
        "parent.yaml:1:1: `version` is missing\n"
    )


def test_a_constitution_that_can_draw_nothing_is_refused(folder: Path) -> None:
    assert refusal(child(folder, "principles: []\n"), folder) == (
        "child.yaml:3:1: no principle can be drawn\n"
        "  3 | principles: []\n"
        "    | ^^^^^^^^^^\n"
        "  expected: at least one principle with a weight above 0"
    )
    nothing_left = child(folder, "extends: parent.yaml\nselect: {exclude_tags: [x]}\nweights: {three: 0}\n")
    assert refusal(nothing_left, folder).startswith("child.yaml:5:1: no principle can be drawn\n")


def test_a_version_that_is_a_number_and_an_id_that_is_a_boolean_are_refused(folder: Path) -> None:
    path = folder / "numbers.yaml"
    path.write_text("name: a\nversion: 1.0\nprinciples:\n  - {id: no, comparison_question: Q}\n")
    assert refusal(path, folder) == (
        "numbers.yaml:2:10: `version` is number `1.0`\n"
        "  2 | version: 1.0\n"
        "    |          ^^^\n"
        "  expected: text\n"
        '  next: write "1.0" in quotes\n\n'
        "numbers.yaml:4:10: `principles[0].id` is boolean `no`\n"
        "  4 |   - {id: no, comparison_question: Q}\n"
        "    |          ^^\n"
        "  expected: text\n"
        '  next: write "no" in quotes\n\n'
        "2 problems in numbers.yaml"
    )


@pytest.mark.parametrize(
    ("principle", "message"),
    [
        (
            "{id: No Harm, comparison_question: Q}",
            "4:10: `principles[0].id`: `No Harm` is not a name: use lower-case letters, digits and hyphens, "
            "as in `self-harm`",
        ),
        (
            "{id: a, critique_request: C}",
            "4:5: `principles[0]`: `revision_request` is missing: "
            "a critique and a revision request come together",
        ),
        (
            "{id: a, weight: 2}",
            "4:5: `principles[0]`: the principle asks nothing: give it `critique_request` and "
            "`revision_request`, or `comparison_question`, or all three",
        ),
        ("{id: a, comparison_question: ' '}", "4:34: `principles[0].comparison_question` is blank"),
        ("{id: a, comparison_question: Q, weight: -1}", "4:45: `principles[0].weight` is number `-1`"),
        ("{id: a, comparison_question: Q, weight: .inf}", "4:45: `principles[0].weight` is number `.inf`"),
        ("{id: a, comparison_question: Q, tags: x}", "4:43: `principles[0].tags` is text `x`"),
        ("{id: a, comparision_question: Q}", "4:13: unknown key `comparision_question`"),
        ("{comparison_question: Q}", "4:5: `id` is missing"),
        (
            "{id: a, comparison_question: Q, examples: [{prompt: p, response: r}]}",
            "4:48: `principles[0].examples[0]`: an example needs a `critique`, to be shown, "
            "or `finds`, to be tested, or both",
        ),
        (
            "{id: a, comparison_question: Q, examples: [{prompt: p, response: r, finds: f, revision: v}]}",
            "4:48: `principles[0].examples[0]`: `revision` is shown behind a critique: "
            "write `critique`, or leave it out",
        ),
        (
            "{id: a, comparison_question: Q, "
            "examples: [{prompt: p, response: r, critique: c, finds: Nothing., revision: v}]}",
            "4:48: `principles[0].examples[0]`: `finds: nothing` and a `revision`: "
            "where nothing is found, nothing is changed",
        ),
        (
            "{id: a, comparison_question: Q, comparisons: [{prompt: p, chosen: c}]}",
            "4:51: `rejected` is missing",
        ),
        (
            "{id: a, comparison_question: Q, comparisons: [{prompt: p, chosen: c, rejected: c}]}",
            "4:51: `principles[0].comparisons[0]`: `chosen` and `rejected` are the same text: "
            "one of them must be better",
        ),
        (
            "{id: a, comparison_question: Q, comparisons: [{conversation: [{role: human, content: x}]}]}",
            "4:51: `chosen` is missing",
        ),
    ],
)
def test_a_principle_that_does_not_fit_is_refused_at_its_place(
    folder: Path, principle: str, message: str
) -> None:
    path = child(folder, f"principles:\n  - {principle}\n").rename(folder / "p.yaml")
    first_line = refusal(path, folder).split("\n")[0]
    assert first_line == f"p.yaml:{message}"


def test_a_bad_id_among_the_weights_is_refused_at_its_key(folder: Path) -> None:
    message = refusal(child(folder, "extends: parent.yaml\nweights: {One: 2}\n"), folder)
    assert message.startswith("child.yaml:4:11: `weights.One`: `One` is not a name")


def test_check_remarks_on_what_is_lacking_or_repeated(folder: Path) -> None:
    assert check(load("harmless")) == []
    body = (
        "principles:\n  - {id: a, critique_request: C, revision_request: R}\n"
        "  - {id: b, critique_request: C, revision_request: S}\n"
    )
    assert check(load(child(folder, body))) == [
        "no principle has a comparison question: labeling cannot use it",
        "`b` and `a` have the same critique_request",
    ]
    assert check(load(folder / "parent.yaml")) == [
        "no principle has critique and revision requests: critique and revision cannot use it"
    ]
