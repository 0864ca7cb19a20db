"""Several runs as one: their evaluations come in, one evaluation of what all of them have goes out."""

from collections.abc import Sequence

from evaluation.model import Evaluation, ModelResult


def pooled(evaluations: Sequence[Evaluation]) -> Evaluation:
    """Several runs as one: each checkpoint's records of all runs under its name.

    A checkpoint that only some of the runs have is left out: its figures would be of other seeds.
    """
    if len(evaluations) == 1:
        return evaluations[0]
    names = [tuple(result.name for result in each.results) for each in evaluations]
    shared = [name for name in names[0] if all(name in other for other in names)]
    return Evaluation(
        results=tuple(_merged(name, evaluations) for name in shared),
        comparisons=tuple(
            record
            for each in evaluations
            for record in each.comparisons
            if record.model in shared and record.against in shared
        ),
        scores=tuple(record for each in evaluations for record in each.scores if record.model in shared),
        divergences=tuple(
            record for each in evaluations for record in each.divergences if record.model in shared
        ),
        rubrics=tuple(record for each in evaluations for record in each.rubrics if record.model in shared),
        judges=tuple(dict.fromkeys(judge for each in evaluations for judge in each.judges)),
        facts={name: fact for each in evaluations for name, fact in each.facts.items()},
    )


def _merged(name: str, evaluations: Sequence[Evaluation]) -> ModelResult:
    of_runs = [result for each in evaluations for result in each.results if result.name == name]
    answers = tuple(answer for result in of_runs for answer in result.graded)
    checkpoints = tuple(checkpoint for result in of_runs for checkpoint in result.checkpoints)
    return ModelResult(name, answers, of_runs[0].kind, checkpoints)
