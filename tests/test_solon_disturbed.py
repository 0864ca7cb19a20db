"""The real program under seeded faults, killed at random points: nothing asked twice, the same files.

The small version is one of all tests; the whole is `make soak`, which prints its bars.
"""

import random
from collections import Counter
from pathlib import Path

import pytest
from disturbed_run import (
    FAULTS,
    PASSING,
    Ending,
    Run,
    Seen,
    disturb,
    interrupted,
    interrupted_twice,
    killed,
    one_sitting,
    rivalled,
    small_disk,
    write_project,
)
from fault_server import Script, fault_server


def undisturbed(recipe: Path, folder: Path, script: Script) -> Run:
    """A run on a server of its own, from start to end."""
    with fault_server(folder / "server", script) as server:
        run = Run(recipe, server, folder / "out")
        assert run.sit() == 0, run.said.read_text()
        answered = {entry.hash for entry in run.asked() if entry.answered}
        run.own_questions = frozenset(answered - run.committed())
        return run


def disturbed(whole: Run, folder: Path, script: Script, *, endings: list[Ending]) -> tuple[Run, Seen]:
    """The same work, ended again and again, on another server that has the same faults."""
    with fault_server(folder / "server", script) as server:
        run = Run(whole.recipe, server, folder / "out", own_questions=whole.own_questions)
        calls, rng = len(whole.committed()), random.Random(0)
        return run, disturb(run, endings, calls=calls, rng=rng)


def test_kills_and_faults_leave_the_files_of_an_undisturbed_run(tmp_path: Path) -> None:
    script = Script(
        seed=5,
        faults={name: 4 * share for name, share in FAULTS.items()},
        latency_s=0.02,
        hang_s=4,
        retry_after_s=0,
    )
    whole = undisturbed(write_project(tmp_path, 40, in_flight=4), tmp_path / "whole", script)
    endings = [killed, killed, interrupted, killed, interrupted_twice, killed, rivalled, killed]
    run, seen = disturbed(whole, tmp_path / "disturbed", script, endings=endings)
    assert seen.endings["killed"] >= 3, "on a busy machine a sitting may be done before its end comes"
    assert (seen.again, seen.lost, seen.unexpected) == ([], [], [])
    assert len(seen.faulted) >= 20
    assert "Traceback" not in run.said.read_text()
    assert run.files() == whole.files()
    assert run.counted() == len(run.committed())


@pytest.mark.soak
def test_ten_thousand_rows_under_faults_and_two_hundred_kills(tmp_path: Path) -> None:
    script = Script(seed=1, faults=FAULTS, latency_s=0.01, hang_s=8)
    recipe = write_project(tmp_path, 10_000)
    whole = undisturbed(recipe, tmp_path / "whole", script)
    endings = [killed] * 205 + [interrupted] * 5 + [interrupted_twice] * 5 + [rivalled] * 5
    random.Random(0).shuffle(endings)
    run, seen = disturbed(whole, tmp_path / "disturbed", script, endings=endings)
    said = [run.said.read_text(), *seen.unexpected]
    print("\n", seen.endings, Counter(fault for _, fault in seen.faulted), seen.unexpected[:3])
    bars = [
        bar("soak-committed-calls-asked-again", len(seen.again), most=0),
        bar("soak-answers-lost-by-a-stop", len(seen.lost), most=0),
        bar("soak-output-hash-equal", int(run.files() == whole.files()), least=1),
        bar("soak-answers-miscounted", abs(run.counted() - len(run.committed())), most=0),
        bar("soak-tracebacks", sum("Traceback" in text for text in said), most=0),
        bar("soak-unexpected-endings", len(seen.unexpected), most=0),
        bar("soak-faults", len(seen.faulted), least=1000),
        bar("soak-kills", seen.endings["killed"], least=200),
    ]
    assert all(bars)


@pytest.mark.soak
def test_faults_that_pass_leave_the_files_of_a_run_without_any(tmp_path: Path) -> None:
    recipe = write_project(tmp_path, 10_000)
    calm = undisturbed(recipe, tmp_path / "calm", Script(latency_s=0.01))
    stormy = undisturbed(
        recipe, tmp_path / "stormy", Script(seed=2, faults=PASSING, latency_s=0.01, hang_s=8)
    )
    assert bar("soak-output-hash-equal-without-faults", int(calm.files() == stormy.files()), least=1)


@pytest.mark.soak
def test_a_disk_that_is_full_again_and_again(tmp_path: Path) -> None:
    script = Script(seed=3, latency_s=0.002)
    whole = undisturbed(write_project(tmp_path, 1000), tmp_path / "whole", script)
    seen, fillings, size = Seen(), 0, 100_000
    with small_disk(tmp_path / "disk") as disk, fault_server(tmp_path / "server", script) as server:
        run = Run(whole.recipe, server, disk.folder / "out", own_questions=whole.own_questions)
        while fillings < 60:
            disk.give(run, size)
            with one_sitting(run, seen) as sitting:
                code = sitting.process.wait()
                if code and "free some space and run again" not in sitting.said():
                    seen.unexpected.append(f"exit code {code}: {sitting.said()}")
            if code == 0:
                break
            fillings, size = fillings + 1, int(size * 1.15)
        equal = run.files() == whole.files()
        print(f"\n{fillings} full disks, mounted: {disk.mounted}", seen.unexpected[:3])
        said = run.said.read_text()
    bars = [
        bar("soak-full-disk-calls-asked-again", len(seen.again), most=0),
        bar("soak-full-disk-output-hash-equal", int(equal), least=1),
        bar("soak-full-disk-tracebacks", said.count("Traceback"), most=0),
        bar("soak-full-disk-unexpected-endings", len(seen.unexpected), most=0),
        bar("soak-full-disks", fillings, least=10),
    ]
    assert all(bars)


def bar(what: str, value: int, *, least: int | None = None, most: int | None = None) -> bool:
    """Print one bar; whether it holds."""
    holds = (least is None or value >= least) and (most is None or value <= most)
    target = f">={least}" if least is not None else f"<={most}"
    print(f"bar: {what} {value} {target} {'ok' if holds else 'short'}")
    return holds
