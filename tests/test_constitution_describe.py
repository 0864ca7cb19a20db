"""What `solon constitution show` prints."""

from constitution.describe import describe
from constitution.load import load
from constitution.model import Constitution, Example, Principle, Turn, WorkedComparison


def test_a_constitution_is_described_with_table_texts_and_examples() -> None:
    constitution = Constitution(
        name="kind",
        version="1.0",
        description="Kindness first.",
        principles=(
            Principle(
                id="kind",
                critique_request="Is it kind?",
                revision_request="Make it kind.",
                comparison_question="Which is kinder?",
                weight=2.5,
                tags=("tone", "care"),
                source="Solon",
                examples=(Example(prompt="Hello?", response="Hello.", critique="It is kind."),),
            ),
            Principle(
                id="never-drawn",
                comparison_question="Which is shorter?",
                weight=0,
                comparisons=(
                    WorkedComparison(
                        conversation=(
                            Turn(role="user", content="Hi."),
                            Turn(role="assistant", content="Hello."),
                            Turn(role="user", content="Bye."),
                        ),
                        chosen="Bye.",
                        rejected="Good bye.",
                        reason="It is shorter.",
                    ),
                ),
            ),
        ),
    )
    assert describe(constitution) == (
        "kind, version 1.0\n"
        f"digest {constitution.digest}\n"
        "2 principles: 1 to revise by, 1 to compare by\n"
        "\n"
        "Kindness first.\n"
        "\n"
        "id           weight  examples  comparisons  tags\n"
        "kind            2.5         1            0  tone, care\n"
        "never-drawn       0         0            1\n"
        "\n"
        "kind\n"
        "  critique    Is it kind?\n"
        "  revision    Make it kind.\n"
        "  comparison  Which is kinder?\n"
        "  source      Solon\n"
        "  example     Hello?\n"
        "    answer    Hello.\n"
        "    critique  It is kind.\n"
        "    revision  (none: the answer stays as it is)\n"
        "\n"
        "never-drawn\n"
        "  comparison  Which is shorter?\n"
        "  compare     Hi.\n"
        "    answered  Hello.\n"
        "  compare     Bye.\n"
        "    chosen    Bye.\n"
        "    rejected  Good bye.\n"
        "    reason    It is shorter.\n"
    )


def test_every_line_of_a_shipped_constitution_fits_a_terminal() -> None:
    assert max(len(line) for line in describe(load("helpful_harmless")).split("\n")) <= 100
