"""Programs under test: right, wrong, endless, greedy, curious and sly ones; and what holds them."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from training.verifiers.attempt import Attempt, BadReferenceError
from training.verifiers.python_tests import means, python_tests
from training.verifiers.settings import VerifierSettings

SETTINGS = VerifierSettings(check="python_tests", timeout_s=4, memory_mb=256)
TESTS = "assert add(2, 3) == 5\nassert add(-1, 1) == 0"


def graded(program: str, tests: object = TESTS, *, seconds: float = 4) -> float:
    [score] = python_tests([Attempt(program, tests)], SETTINGS.model_copy(update={"timeout_s": seconds}))
    return score


def test_a_program_is_right_where_its_tests_come_to_their_end() -> None:
    right, wrong = "def add(a, b):\n    return a + b\n", "def add(a, b):\n    return a - b\n"
    fenced = f"Here it is:\n```python\n{right}```\nIt adds."
    texts = [right, wrong, fenced, "def add(a, b:", "", "def add(a, b): raise SystemExit(0)"]
    assert python_tests([Attempt(text, TESTS) for text in texts], SETTINGS) == [1, 0, 1, 0, 0, 0]
    assert graded(right, ["assert add(1, 1) == 2", "assert add(2, 2) == 4"]) == 1
    assert graded(right, ["assert add(1, 1) == 2", "assert add(2, 2) == 5"]) == 0


def test_a_program_that_leaves_before_its_tests_is_wrong() -> None:
    for way in ("import sys; sys.exit(0)", "import os; os._exit(0)", "print('passed'); raise SystemExit"):
        assert graded(way) == 0
    assert (
        graded("import os\nfor stream in range(20):\n    try: os.write(stream, b'ok')\n    except OSError: 0")
        == 0
    )


def test_time_and_memory_have_limits() -> None:
    assert graded("while True: pass", "assert True", seconds=0.2) == 0
    assert graded("import time; time.sleep(60)", "assert True", seconds=0.2) == 0
    assert graded("held = bytearray(10**9)", "assert True") == 0
    assert graded("held = bytearray(10**7)", "assert held is not None") == 1


def test_there_is_no_network() -> None:
    """A server listens here; the program's own verdict says whether it reached it."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        reach = f"import socket\nsocket.create_connection(('127.0.0.1', {port}), 2)\n"
        assert graded(reach, "assert True") == 0
        refused = f"import socket\ntry: {reach.splitlines()[1]}\nexcept PermissionError: held = True\n"
        assert graded(refused, "assert held") == 1


def test_there_are_no_processes_and_no_signals() -> None:
    for attempt in (
        "os.fork()",
        "os.system('true')",
        "os.kill(os.getppid(), 0)",
        "os.posix_spawn('/bin/true', ['true'], {})",
    ):
        program = f"import os\nheld = False\ntry: {attempt}\nexcept OSError: held = True"
        assert graded(program, "assert held") == 1, attempt
    assert graded("import subprocess; subprocess.run(['true'])", "assert True") == 0


def test_files_are_written_in_the_working_folder_alone(tmp_path: Path) -> None:
    kept = tmp_path / "kept.txt"
    kept.write_text("kept")
    inside = "import tempfile\nopen('mine', 'w').write('x')\nheld = open('mine').read()\ntempfile.mkdtemp()"
    assert graded(inside, "assert held == 'x'") == 1
    for attempt in (
        f"open({str(kept)!r}, 'w')",
        f"os.remove({str(kept)!r})",
        f"os.rename({str(kept)!r}, 'x')",
    ):
        assert graded(f"import os\n{attempt}", "assert True") == 0
    assert kept.read_text() == "kept"


def test_threads_and_what_the_standard_library_has_work() -> None:
    program = (
        "import asyncio, collections, dataclasses, functools, itertools, json, math, random, re, threading\n"
        "told = []\n"
        "thread = threading.Thread(target=lambda: told.append(1))\nthread.start(); thread.join()\n"
        "async def two(): return 2\n"
        "told.append(asyncio.run(two()))\n"
    )
    assert graded(program, "assert told == [1, 2]") == 1


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's means are Linux's")
@pytest.mark.parametrize(
    "attempt", ["socket.socket()", "os.fork()", "os.kill(os.getppid(), 0)", "os.execv('/bin/true', ['true'])"]
)
def test_the_kernel_refuses_even_without_pythons_own_watch(attempt: str, tmp_path: Path) -> None:
    if not means()["seccomp"]:
        pytest.skip("this kernel has no seccomp filters")
    program = (
        "import os, socket, sys\nfrom training.verifiers.confine import hold_by_kernel\n"
        f"hold_by_kernel({str(tmp_path)!r})\n"
        f"try: {attempt}\nexcept PermissionError as error: sys.exit(7 if error.errno == 1 else 1)"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 7


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's means are Linux's")
def test_secrets_of_others_cannot_be_read(tmp_path: Path) -> None:
    held = means()
    if not (held["seccomp"] and held["landlock"]):
        pytest.skip(f"this kernel has not all of it: {held}")
    secret = tmp_path / "secret.txt"
    secret.write_text("secret")
    program = (
        "import os\n"
        "def read(path):\n    try: return open(path).read()\n    except OSError: return None\n"
        f"held = read({str(secret)!r}) is None and read('/proc/{os.getpid()}/environ') is None\n"
    )
    assert graded(program, "assert held") == 1


@pytest.mark.parametrize("tests", ["", "  \n", "assert (", 3, None, [1]])
def test_tests_that_say_nothing_are_an_error(tests: object) -> None:
    with pytest.raises(BadReferenceError):
        graded("x = 1", tests)
