"""The published JSON forms, small and in the project's own words; the real files where they lie near."""

import json
from pathlib import Path

import pytest

from constitution.document import DocumentError
from constitution.importer import read_published
from constitution.model import Constitution
from constitution.strict_yaml import parse_document

PUBLISHED = Path("../shared/data/cai-paper-prompts")

INSTRUCTIONS = {
    "harmful0": {
        "prompt": ["\n\nCritiqueRequest: Is it kind?\n\nCritique:"],
        "edit_request": "\n\nRevisionRequest: Make it kind.\n\nRevision:",
    },
    "Harmful 1": {
        "prompt": ["\n\nCritiqueRequest: Is it true?\n\nCritique:"],
        "edit_request": "\n\nRevisionRequest: Make it true.\n\nRevision:",
    },
}
QUESTIONS = ["\nWhich is kinder? Options:", "\nWhich is truer? Options:"]
REQUESTS = (
    "\n\nCritiqueRequest: Is it kind?\n\nCritique: {}\n\nRevisionRequest: Make it kinder.\n\nRevision: {}"
)
TRANSCRIPTS = [
    "\n\nHuman: Hi.\n\nAssistant: Hello.\n\nHuman: Bye?\n\nAssistant: Go."
    + REQUESTS.format("No.", "Goodbye.")
    + "\n\nHuman:",
    "\n\nHuman: Thanks!\n\nAssistant: With pleasure." + REQUESTS.format("It is.", "With pleasure."),
    "\n\nHuman: 2+2?\n\nAssistant: 5.\n\nCritiqueRequest: Is it right?\n\nCritique: No."
    "\n\nRevisionRequest: Make it right.\n\nRevision: 4.",
]


def write(folder: Path, name: str, content: object) -> Path:
    path = folder / name
    path.write_text(json.dumps(content))
    return path


def refusal(*paths: Path) -> str:
    with pytest.raises(DocumentError) as caught:
        read_published(*paths)
    return str(caught.value).replace(f"{paths[0].parent}/", "")


def test_instructions_become_principles_without_their_marks(tmp_path: Path) -> None:
    constitution = read_published(write(tmp_path, "i.json", INSTRUCTIONS), name="paper", version="2022")
    assert (constitution.name, constitution.version) == ("paper", "2022")
    assert constitution.description == "Imported from i.json."
    first, second = constitution.principles
    assert (first.id, first.critique_request, first.revision_request) == (
        "harmful0",
        "Is it kind?",
        "Make it kind.",
    )
    assert first.comparison_question is None
    assert first.source == "i.json, harmful0"
    assert second.id == "harmful-1"


def test_questions_become_principles_of_their_own(tmp_path: Path) -> None:
    constitution = read_published(write(tmp_path, "q.json", QUESTIONS))
    assert [(p.id, p.comparison_question, p.critique_request) for p in constitution.principles] == [
        ("question-0", "Which is kinder?", None),
        ("question-1", "Which is truer?", None),
    ]


def test_questions_and_instructions_stand_side_by_side(tmp_path: Path) -> None:
    constitution = read_published(
        write(tmp_path, "i.json", INSTRUCTIONS), write(tmp_path, "q.json", QUESTIONS)
    )
    assert [principle.id for principle in constitution.principles] == [
        "harmful0",
        "harmful-1",
        "question-0",
        "question-1",
    ]


def test_transcripts_become_examples_of_the_principle_with_their_critique_request(tmp_path: Path) -> None:
    paths = (write(tmp_path, "f.json", TRANSCRIPTS), write(tmp_path, "i.json", INSTRUCTIONS))
    constitution = read_published(*paths)
    kind = constitution.get("harmful0")
    assert kind.examples[0].prompt == "Hi.\n\nAssistant: Hello.\n\nHuman: Bye?"
    assert kind.examples[0].response == "Go."
    assert kind.examples[0].critique == "No."
    assert kind.examples[0].revision == "Goodbye."
    assert constitution.get("harmful-1").examples == ()


def test_a_transcript_that_repeats_the_answer_needs_no_revision(tmp_path: Path) -> None:
    paths = (write(tmp_path, "i.json", INSTRUCTIONS), write(tmp_path, "f.json", TRANSCRIPTS))
    assert read_published(*paths).get("harmful0").examples[1].revision is None


def test_a_transcript_that_fits_no_principle_is_kept_where_it_is_never_drawn(tmp_path: Path) -> None:
    paths = (write(tmp_path, "i.json", INSTRUCTIONS), write(tmp_path, "f.json", TRANSCRIPTS))
    stray = read_published(*paths).get("few-shot-0")
    assert stray.weight == 0
    assert (stray.critique_request, stray.revision_request) == ("Is it right?", "Make it right.")
    assert stray.examples[0].revision == "4."
    assert stray.source == "f.json, transcript 2"


def test_transcripts_alone_are_refused(tmp_path: Path) -> None:
    assert refusal(write(tmp_path, "f.json", TRANSCRIPTS)) == (
        "f.json: few-shot transcripts alone\n  expected: the instructions file beside them"
    )


@pytest.mark.parametrize(
    "content",
    [[], {}, "text", 3, [1, "a"], [{"prompt": "p", "corrects": ["c"], "incorrects": ["i"]}]],
)
def test_a_form_that_is_not_known_is_refused(tmp_path: Path, content: object) -> None:
    assert refusal(write(tmp_path, "x.json", content)) == (
        "x.json: the file has a form that is not known\n"
        "  expected: critique/revision instructions, comparison questions "
        "or critique/revision few-shot transcripts"
    )


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            {"a": {"prompt": ["x"]}},
            '"a" has a form that is not known\n  expected: `prompt` and `edit_request`',
        ),
        ({"a": "x"}, '"a" has a form that is not known\n  expected: `prompt` and `edit_request`'),
        (
            {"a": {"prompt": ["x", "y"], "edit_request": "z"}},
            '"a" does not hold one text each\n  expected: one prompt, one edit_request',
        ),
        (
            {"a": {"prompt": ["CritiqueRequest: \n\nCritique:"], "edit_request": "z"}},
            'the prompt of "a" is blank\n  expected: CritiqueRequest: ... Critique:',
        ),
        (
            {"?": {"prompt": ["x"], "edit_request": "z"}},
            '"?" is not a name\n  expected: letters or digits in each key',
        ),
        (["Which?", " Options:"], "question 1 is blank\n  expected: a comparison question"),
        (
            ["\n\nHuman: a\n\nCritiqueRequest: b\n\nCritique: c"],
            "transcript 0 has the turns Human, CritiqueRequest, Critique\n  expected: Human, Assistant, "
            "CritiqueRequest, Critique, RevisionRequest, Revision, none of them blank",
        ),
    ],
)
def test_an_entry_that_cannot_be_read_is_refused_by_name(
    tmp_path: Path, content: object, message: str
) -> None:
    assert refusal(write(tmp_path, "x.json", content)) == f"x.json: {message}"


def test_the_same_kind_of_file_twice_is_refused(tmp_path: Path) -> None:
    first, second = write(tmp_path, "a.json", QUESTIONS), write(tmp_path, "b.json", QUESTIONS)
    assert refusal(first, second) == (
        "b.json: `question-0` is there twice in a.json and b.json\n  expected: each entry once"
    )


def test_malformed_json_is_refused_at_its_place(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_text('{\n  "a": [1,]\n}')
    assert refusal(path).startswith("x.json:2:11: not JSON: ")
    path.write_text("[" * 100_000)
    assert refusal(path).startswith("x.json: not JSON that can be read")


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    assert refusal(tmp_path / "x.json").startswith("x.json: no such file")


@pytest.fixture
def paper() -> Constitution:
    names = ("CritiqueRevisionInstructions", "RLMadisonInstructions", "CritiqueRevisionFewShotPrompts")
    if not PUBLISHED.is_dir():
        pytest.skip(f"the paper's published prompts are not at {PUBLISHED}")
    return read_published(*(PUBLISHED / f"{name}.json" for name in names))


def test_the_papers_own_files_are_read_whole(paper: Constitution) -> None:
    assert sum(principle.can_revise and principle.weight > 0 for principle in paper.principles) == 16
    assert sum(principle.can_compare for principle in paper.principles) == 16
    assert len(paper.get("harmful3").examples) == 4
    assert [example.revision is None for example in paper.get("harmful3").examples] == [
        False,
        False,
        True,
        True,
    ]
    assert len(paper.get("few-shot-0").examples) == 1


def test_no_mark_of_the_papers_form_is_left_in_a_principle(paper: Constitution) -> None:
    for principle in paper.principles:
        for text in (principle.critique_request, principle.revision_request, principle.comparison_question):
            assert not any(
                mark in (text or "") for mark in ("Request:", "Critique:", "Revision:", "Options:")
            )


def test_the_papers_few_shot_comparisons_are_refused(paper: Constitution) -> None:
    assert "has a form that is not known" in refusal(PUBLISHED / "RLMadisonFewShotPrompts.json")


def test_what_is_imported_is_valid_yaml_of_the_strict_subset(paper: Constitution) -> None:
    from constitution.yaml_writer import to_yaml

    assert parse_document(to_yaml(paper), "paper.yaml").data["name"] == "imported"
