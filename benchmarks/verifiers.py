"""Do verifiers accept every right answer and no wrong one, on GSM8K's reference answers?

    python benchmarks/verifiers.py DATA

DATA is a folder with `gsm8k/test.jsonl` (github.com/openai/grade-school-math), or that file. Each reference
solution is put to `number` and to `maths` as an answer to its own question: behind ####, in a tag, in a box,
with a unit, with digits grouped. Then each is perturbed: another number, another sign, another power of ten,
a digit more, two numbers, no mark, another question's answer (`tests/gsm8k_answers.py`).
"""

import argparse
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent


def main() -> None:
    from gsm8k_answers import accepted, read, right, wrong

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("data", type=Path, metavar="DATA")
    data = parser.parse_args().data
    file = data / "gsm8k" / "test.jsonl" if data.is_dir() else data
    if not file.is_file():
        sys.exit(f"no {file}: get test.jsonl from github.com/openai/grade-school-math, and give its folder")
    solutions = read(file)
    beside = [*solutions[1:], solutions[0]]
    for check in ("number", "maths"):
        held, of = accepted(check, [right(solution) for solution in solutions], solutions)
        passed, tried = accepted(check, list(map(wrong, solutions, beside)), solutions)
        print(f"{check}: {held} of {of} right answers and {passed} of {tried} perturbed ones accepted")
        share, error = 100 * held / of, 100 * passed / tried
        print(f"bar: verifier-{check}-right-accepted-% {share:.2f} >=100 {'ok' if held == of else 'short'}")
        print(f"bar: verifier-{check}-wrong-accepted-% {error:.2f} <=0 {'ok' if passed == 0 else 'short'}")


if __name__ == "__main__":
    sys.path += [str(ROOT), str(ROOT / "tests")]
    main()
