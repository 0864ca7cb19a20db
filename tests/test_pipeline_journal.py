"""The journal: what was kept is found, what was torn is cut off and told, what is damaged is refused."""

import hashlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.index import RECENT
from pipeline.journal import Journal, JournalError, lock_file, read_payloads

A, B, C, D = (name * 16 for name in ("aa", "bb", "cc", "dd"))
RECORDS: dict[str, dict[str, object]] = {
    A: {"text": "Привет\n{}", "tokens": 3},
    B: {"text": "", "logprobs": {"A": -0.1234567890123456}},
    C: {"text": "\ud800 lone", "none": None},
}


def written(path: Path) -> bytes:
    with Journal(path) as journal:
        for key, payload in RECORDS.items():
            journal.put(key, payload)
    return path.read_bytes()


def ends(path: Path) -> list[int]:
    """The bytes at which the header and each record end."""
    found = []
    path.unlink(missing_ok=True)
    with Journal(path) as journal:
        found.append(journal.size)
        for key, payload in RECORDS.items():
            journal.put(key, payload)
            found.append(journal.size)
    return found


def held(path: Path) -> tuple[dict[str, object], int]:
    """What a journal gives back, and how many bytes were cut off when it was opened."""
    with Journal(path) as journal:
        return {key: journal.get(key) for key in RECORDS if journal.get(key) is not None}, journal.cut_off


def test_records_are_found_at_once_and_after_the_journal_is_opened_again(tmp_path: Path) -> None:
    path = tmp_path / "run" / "journal"
    with Journal(path) as journal:
        for key, payload in RECORDS.items():
            journal.put(key, payload)
        assert {key: journal.get(key) for key in RECORDS} == RECORDS
        assert journal.get(D) is None
    assert held(path) == (RECORDS, 0)
    with Journal(path) as journal:
        assert len(journal) == 3


def test_a_key_is_kept_as_it_first_was(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    before = written(path)
    with Journal(path) as journal:
        journal.put(A, {"text": "another"})
        assert journal.get(A) == RECORDS[A]
    assert path.read_bytes() == before


def test_a_key_of_another_length_is_refused(tmp_path: Path) -> None:
    with Journal(tmp_path / "journal") as journal, pytest.raises(ValueError, match="32 hexadecimal digits"):
        journal.put("aa", {})


def test_keys_that_begin_alike_are_told_apart(tmp_path: Path) -> None:
    alike = [f"{'ab' * 8}{number:016x}" for number in range(50)]
    for _ in range(2):
        with Journal(tmp_path / "journal") as journal:
            for number, key in enumerate(alike):
                journal.put(key, {"number": number})
            assert [journal.get(key) for key in alike] == [{"number": number} for number in range(50)]
            assert journal.get("ab" * 16) is None


def test_more_records_than_are_indexed_at_once_are_all_found(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    keys = [hashlib.sha256(str(number).encode()).hexdigest()[:32] for number in range(RECENT + 1)]
    with Journal(path) as journal:
        for number, key in enumerate(keys):
            journal.put(key, {"number": number})
    with Journal(path) as journal:
        assert [journal.get(key) for key in keys] == [{"number": number} for number in range(len(keys))]


def test_records_longer_than_a_block_of_reading_are_found(tmp_path: Path) -> None:
    path, long = tmp_path / "journal", {"text": "x" * (9 << 20)}
    with Journal(path) as journal:
        journal.put(A, {"text": "short"})
        journal.put(B, long)
        journal.put(C, {"text": "short"})
    with Journal(path) as journal:
        assert (journal.get(B), journal.get(C), len(journal)) == (long, {"text": "short"}, 3)


def test_another_workers_answers_are_found_and_its_file_is_left_alone(tmp_path: Path) -> None:
    theirs, ours = tmp_path / "theirs", tmp_path / "ours"
    content = written(theirs)
    theirs.write_bytes(content + b"torn")
    with Journal(ours, also=(theirs,)) as journal:
        journal.put(A, {"text": "another"})
        journal.put(D, {"text": "own"})
        assert (journal.get(A), journal.get(C), journal.get(D)) == (RECORDS[A], RECORDS[C], {"text": "own"})
    assert theirs.read_bytes() == content + b"torn"
    with Journal(ours) as journal:
        assert len(journal) == 1


def test_payloads_can_be_read_from_a_place_on_while_somebody_writes(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    with Journal(path) as journal:
        journal.put(A, RECORDS[A])
        place = journal.size
        journal.put(B, RECORDS[B])
        assert list(read_payloads(path)) == [RECORDS[A], RECORDS[B]]
        assert list(read_payloads(path, place)) == [RECORDS[B]]
        assert list(read_payloads(path, journal.size)) == []


@settings(max_examples=40)
@given(st.data())
def test_a_tail_torn_anywhere_is_cut_off_and_told(data: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "journal"
        places = ends(path)
        whole = path.read_bytes()
        length = data.draw(st.integers(0, len(whole)))
        path.write_bytes(whole[:length])
        kept = sum(end <= length for end in places[1:])
        cut = length - places[kept] if length >= places[0] else 0
        assert held(path) == (dict(list(RECORDS.items())[:kept]), cut)
        assert path.read_bytes() == whole[: places[kept]]
        assert written(path) == whole, "what was lost is appended anew"


@settings(max_examples=40)
@given(position=st.integers(0, 10_000), bit=st.integers(0, 7))
def test_a_flipped_bit_never_gives_back_a_wrong_answer(position: int, bit: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "journal"
        whole = bytearray(written(path))
        whole[position % len(whole)] ^= 1 << bit
        path.write_bytes(whole)
        try:
            found, _ = held(path)
        except JournalError:
            assert path.read_bytes() == whole, "a refused journal is left as it is"
        else:
            assert found.items() <= RECORDS.items()


@pytest.mark.parametrize("byte", [0, 5, 9, 13, 30])
def test_damage_before_the_end_is_refused_with_its_place_and_the_way_on(tmp_path: Path, byte: int) -> None:
    path = tmp_path / "journal"
    places = ends(path)
    damaged = bytearray(path.read_bytes())
    damaged[places[1] + byte] ^= 0xFF
    path.write_bytes(damaged)
    with pytest.raises(JournalError) as caught:
        Journal(path)
    assert f"the record at byte {places[1]} is damaged" in str(caught.value)
    assert f"the next at byte {places[2]}" in str(caught.value)
    step = f"truncate -s {places[1]} {path}"
    assert step in str(caught.value)
    subprocess.run(step.split(), check=True)
    assert held(path) == ({A: RECORDS[A]}, 0)


def test_zeros_that_a_power_cut_left_at_the_end_are_cut_off(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    whole = written(path)
    path.write_bytes(whole + bytes(5000))
    assert held(path) == (RECORDS, 5000)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"0badc0de aa {}\n", "another version of Solon"),
        (b"solon journal 9\nxyz", "another version of Solon"),
        (b'{"text": "something else"}\n', "no journal of Solon's"),
    ],
)
def test_a_file_of_another_form_is_refused_and_left_alone(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "journal"
    path.write_bytes(content)
    with pytest.raises(JournalError, match=said):
        Journal(path)
    assert path.read_bytes() == content


OPENING = """
import sys
from pathlib import Path
from pipeline.index import RECENT
from pipeline.journal import Journal
journal = Journal(Path(sys.argv[1]))
print("open, after", journal.left_by, flush=True)
journal.put("ff" * 16, {"text": "theirs"})
if len(sys.argv) > 2:
    print("kept", flush=True)
    sys.stdin.read()
"""


def test_a_second_process_is_told_who_holds_the_journal_and_gets_it_when_they_are_done(
    tmp_path: Path,
) -> None:
    path = tmp_path / "journal"
    opening = [sys.executable, "-c", OPENING, str(path)]
    with Journal(path) as journal:
        journal.put(A, RECORDS[A])
        with pytest.raises(JournalError, match=f"process {os.getpid()} on .* is working in this run folder"):
            Journal(path)
        other = subprocess.run(opening, capture_output=True, text=True)
        assert f"process {os.getpid()} on " in other.stderr
        assert "wait for it or stop it" in other.stderr
        assert journal.get(A) == RECORDS[A]
    assert subprocess.run(opening, capture_output=True, text=True).stdout == "open, after None\n"


def test_the_lock_of_a_killed_process_is_taken_over_and_its_records_are_there(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    opening = [sys.executable, "-c", OPENING, str(path), "stay"]
    with subprocess.Popen(opening, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert [other.stdout.readline() for _ in range(2)] == ["open, after None\n", "kept\n"]
        other.send_signal(signal.SIGKILL)
        other.wait()
        assert lock_file(path).read_text()
        with Journal(path) as journal:
            assert journal.left_by is not None
            assert journal.left_by.pid == other.pid
            assert journal.left_by.is_running is False
            assert journal.get("ff" * 16) == {"text": "theirs"}


FULL_DISK = """
import resource, sys
from pathlib import Path
from pipeline.index import RECENT
from pipeline.journal import Journal, JournalError
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
journal = Journal(Path(sys.argv[1]))
kept = 0
try:
    while True:
        journal.put(f"{kept:032x}", {"text": "x" * 100})
        kept += 1
except JournalError as error:
    print(kept, error)
"""


def test_on_a_full_disk_the_run_stops_and_the_journal_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    filled = subprocess.run(
        [sys.executable, "-c", FULL_DISK, str(path)], capture_output=True, text=True, check=True
    )
    kept, _, message = filled.stdout.partition(" ")
    assert 3 <= int(kept) < 10
    assert "free some space and run again" in message
    with Journal(path) as journal:
        assert (len(journal), journal.cut_off) == (int(kept), 0)


def test_one_record_is_synced_soon_although_no_other_follows(tmp_path: Path) -> None:
    with Journal(tmp_path / "journal") as journal:
        journal.put(A, RECORDS[A])
        assert journal.unsynced == 1
        for _ in range(600):
            if journal.unsynced == 0:
                break
            time.sleep(0.05)
        assert journal.unsynced == 0
