"""Constitutions as YAML: readable, and equal when read back."""

from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from constitution.document import parse_document, validate
from constitution.file import ConstitutionFile
from constitution.load import load, shipped
from constitution.model import Constitution, Example, Principle, Turn, WorkedComparison
from constitution.yaml_writer import to_yaml

HARD = [
    "no",
    "1.0",
    "2e-4",
    "1e3",
    "~",
    "null",
    "12:30",
    "0x1f",
    ".nan",
    "- a",
    "a: b",
    "{{ x }}",
    "{% if %}",
]
HARD += [
    "'",
    '"',
    "#",
    "a #b",
    "*a",
    "&a",
    "!a",
    "%a",
    "@a",
    "`a`",
    "---",
    "a\n---\nb",
    "<<",
    "=",
    "\\",
    "a\tb",
]
HARD += [
    "a\n b\n  c",
    "a \nb",
    "a\n\n\nb",
    "a  b " * 30,
    "é😀\u2028x",
    "a\x85b",
    "\u00a0x",
    "a\rb",
    "\x07",
    "? x",
    "y:",
    "\ufeffa",
]
texts = st.one_of(
    st.sampled_from(HARD), st.text(min_size=1), st.text("ab :#-\n\t{}'\"|>", min_size=1, max_size=200)
)
words = texts.filter(lambda text: text.strip() != "")
names = st.from_regex(r"[a-z0-9][a-z0-9-]{0,8}", fullmatch=True)


@st.composite
def constitutions(draw: st.DrawFn) -> Constitution:
    examples = st.builds(Example, prompt=words, response=words, critique=words, revision=st.none() | words)
    comparisons = st.builds(
        WorkedComparison,
        conversation=st.lists(
            st.builds(Turn, role=st.just("user"), content=words), min_size=1, max_size=2
        ).map(tuple),
        chosen=words.map(lambda text: f"yes {text}"),
        rejected=words.map(lambda text: f"no {text}"),
        reason=st.none() | words,
    )
    principles = st.builds(
        Principle,
        id=names,
        critique_request=words,
        revision_request=words,
        comparison_question=st.none() | words,
        weight=st.floats(0.001, 1000),
        tags=st.lists(names, max_size=2).map(tuple),
        source=st.none() | words,
        examples=st.lists(examples, max_size=2).map(tuple),
        comparisons=st.lists(comparisons, max_size=2).map(tuple),
    )
    listed = draw(st.lists(principles, min_size=1, max_size=3, unique_by=lambda principle: principle.id))
    return Constitution(
        name=draw(words), version=draw(words), description=draw(st.text()), principles=tuple(listed)
    )


def read_back(text: str) -> Constitution:
    file = validate(parse_document(text, "written.yaml"), ConstitutionFile)
    return Constitution(
        name=file.name, version=file.version, description=file.description, principles=file.principles
    )


@settings(deadline=None, derandomize=True, max_examples=60)
@given(constitutions())
def test_any_constitution_is_equal_when_read_back(constitution: Constitution) -> None:
    again = read_back(to_yaml(constitution))
    assert again == constitution
    assert again.digest == constitution.digest


def test_each_hard_text_is_equal_when_read_back() -> None:
    for text in HARD:
        principle = Principle(id="x", comparison_question=f"Q {text}", source=text if text.strip() else None)
        constitution = Constitution(name="n", version=text.strip() or "1", principles=(principle,))
        assert read_back(to_yaml(constitution)) == constitution, text


def test_the_shipped_constitutions_are_equal_when_written_out_and_loaded(tmp_path: Path) -> None:
    for name in shipped():
        path = tmp_path / f"{name}.yaml"
        path.write_text(to_yaml(load(name)), encoding="utf-8")
        assert load(path) == load(name)


def test_the_yaml_reads_well() -> None:
    principle = Principle(
        id="kind",
        critique_request="Say whether the response is kind: to the person who asks, and to the others too.",
        revision_request="Make it kind.",
        tags=("tone", "care"),
        weight=0.5,
        examples=(Example(prompt="Hello?\n\nAnyone?", response="No.", critique="It is curt."),),
    )
    constitution = Constitution(
        name="kind", version="1.0", principles=(principle, Principle(id="b", comparison_question="Which?"))
    )
    assert to_yaml(constitution) == (
        "name: kind\n"
        "version: '1.0'\n"
        "\n"
        "principles:\n"
        "  - id: kind\n"
        "    critique_request: >-\n"
        "      Say whether the response is kind: to the person who asks, and to the others too.\n"
        "    revision_request: Make it kind.\n"
        "    weight: 0.5\n"
        "    tags: [tone, care]\n"
        "    examples:\n"
        "      - prompt: |-\n"
        "          Hello?\n"
        "\n"
        "          Anyone?\n"
        "        response: No.\n"
        "        critique: It is curt.\n"
        "\n"
        "  - id: b\n"
        "    comparison_question: Which?\n"
    )
