"""The journal: what was kept is found, what was torn is cut off and told, what is damaged is refused."""

import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.journal import SYNC_EVERY, Journal, JournalError

RECORDS: dict[str, dict[str, object]] = {
    "aa": {"text": "Привет\n{}", "tokens": 3},
    "bb": {"text": "", "logprobs": {"A": -0.1234567890123456}},
    "cc": {"text": "\ud800 lone", "none": None},
}


def written(path: Path) -> bytes:
    with Journal(path) as journal:
        for key, payload in RECORDS.items():
            journal.put(key, payload)
    return path.read_bytes()


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
        assert journal.get("dd") is None
    assert held(path) == (RECORDS, 0)
    with Journal(path) as journal:
        assert len(journal) == 3


def test_a_key_is_kept_as_it_first_was(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    before = written(path)
    with Journal(path) as journal:
        journal.put("aa", {"text": "another"})
        assert journal.get("aa") == RECORDS["aa"]
    assert path.read_bytes() == before


def test_more_records_than_are_synced_at_once_are_all_found(tmp_path: Path) -> None:
    path, count = tmp_path / "journal", 3 * SYNC_EVERY + 1
    with Journal(path) as journal:
        for number in range(count):
            journal.put(f"{number:040x}", {"number": number})
    with Journal(path) as journal:
        assert [journal.get(f"{number:040x}") for number in range(count)] == [
            {"number": number} for number in range(count)
        ]


@given(st.data())
def test_a_tail_torn_anywhere_is_cut_off_and_told(data: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "journal"
        whole = written(path)
        length = data.draw(st.integers(0, len(whole)))
        path.write_bytes(whole[:length])
        ends = [0, *(i + 1 for i, byte in enumerate(whole) if byte == ord("\n"))]
        kept = sum(1 for end in ends[1:] if end <= length)
        assert held(path) == (dict(list(RECORDS.items())[:kept]), length - ends[kept])
        assert path.read_bytes() == whole[: ends[kept]]
        assert written(path) == whole, "what was lost is appended anew"


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


def test_a_damaged_record_before_the_end_is_refused_with_its_place(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    lines = written(path).splitlines(keepends=True)
    path.write_bytes(lines[0] + lines[1].replace(b"logprobs", b"logprobz") + lines[2])
    with pytest.raises(JournalError, match=rf"journal: the record at byte {len(lines[0])} is damaged; "):
        Journal(path)


def test_a_second_one_at_the_same_journal_is_refused_until_the_first_is_done(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    opening = f"from pathlib import Path; from pipeline.journal import Journal; Journal(Path({str(path)!r}))"
    with Journal(path) as journal:
        journal.put("aa", RECORDS["aa"])
        with pytest.raises(JournalError, match="another process is working in this run folder"):
            Journal(path)
        other = subprocess.run([sys.executable, "-c", opening], capture_output=True, text=True)
        assert "JournalError" in other.stderr
        assert "wait for it or stop it" in other.stderr
        assert journal.get("aa") == RECORDS["aa"]
    assert subprocess.run([sys.executable, "-c", opening]).returncode == 0


FULL_DISK = """
import resource, sys
from pathlib import Path
from pipeline.journal import Journal, JournalError
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
journal = Journal(Path(sys.argv[1]))
kept = 0
try:
    while True:
        journal.put(f"{kept:040x}", {"text": "x" * 100})
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
