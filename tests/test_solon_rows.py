"""Reading rows: each format gives the same rows, and what cannot be read is refused at its place."""

import gzip
import json
from pathlib import Path

import pytest

from pipeline.rows import InputError
from solon.recipe import Source
from solon.rows import is_hub_id, read_rows

ROWS = [{"id": "a", "prompt": "One?"}, {"id": "b", "prompt": "Two,\nor three? “é”"}]
JSONL = "".join(json.dumps(row) + "\n" for row in ROWS)
CSV = 'id,prompt\na,One?\nb,"Two,\nor three? “é”"\n'


def values(folder: Path, name: str, **more: object) -> list[dict[str, object]]:
    source = Source(path=name, **more)  # type: ignore[arg-type]
    return [dict(row.values) for row in read_rows(source, base=folder)]


def refusal(folder: Path, name: str, content: bytes = b"", **more: object) -> str:
    if content:
        (folder / name).write_bytes(content)
    with pytest.raises(InputError) as caught:
        values(folder, name, **more)
    return str(caught.value).replace(f"{folder}/", "")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("rows.jsonl", JSONL.encode()),
        ("rows.JSONL", b"\xef\xbb\xbf" + JSONL.replace("\n", "\r\n\r\n").encode()),
        # Tests are called by this content: without a time, all processes that run them call them the same.
        ("rows.jsonl.gz", gzip.compress(JSONL.encode(), mtime=0)),
        ("rows.json", json.dumps(ROWS).encode()),
        ("rows.csv", CSV.encode()),
        ("rows.csv.gz", gzip.compress(b"\xef\xbb\xbf" + CSV.encode(), mtime=0)),
    ],
)
def test_each_text_format_gives_the_rows(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    assert values(tmp_path, name) == ROWS


def test_parquet_gives_the_rows(tmp_path: Path) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    parquet.write_table(pa.Table.from_pylist(ROWS), tmp_path / "rows.parquet")
    assert values(tmp_path, "rows.parquet") == ROWS


def test_a_saved_dataset_gives_the_rows_of_its_split(tmp_path: Path) -> None:
    from datasets import Dataset, DatasetDict

    DatasetDict({"dev": Dataset.from_list(ROWS)}).save_to_disk(str(tmp_path / "saved"))
    assert values(tmp_path, "saved", split="dev") == ROWS
    assert "no split `train`" in refusal(tmp_path, "saved")
    assert values(tmp_path, "saved/dev") == ROWS


def test_a_folder_of_other_things_is_refused_with_the_files_in_it(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "red.jsonl").write_text(JSONL)
    assert "name a file in it: red.jsonl" in refusal(tmp_path, "data")


def test_the_limit_takes_the_first_rows_and_reads_no_further(tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_text(JSONL + "not JSON\n")
    assert values(tmp_path, "rows.jsonl", limit=2) == ROWS


def test_a_path_may_lead_out_of_the_folder(tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_text(JSONL)
    (tmp_path / "project").mkdir()
    assert values(tmp_path / "project", "../rows.jsonl") == ROWS


def test_rows_know_their_lines(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text(CSV + "c,Four?\n")
    rows = list(read_rows(Source(path="rows.csv"), base=tmp_path))
    assert [row.line for row in rows] == [2, 3, 5]
    assert rows[2].place == f"{tmp_path}/rows.csv:5"


def test_a_missing_file_names_the_nearest(tmp_path: Path) -> None:
    (tmp_path / "red_team.jsonl").write_text(JSONL)
    assert (
        refusal(tmp_path, "red_tem.jsonl") == "red_tem.jsonl: no such file\n  did you mean 'red_team.jsonl'?"
    )


def test_a_file_of_no_known_format_is_refused(tmp_path: Path) -> None:
    assert "expected: .jsonl, .json, .csv, .parquet" in refusal(tmp_path, "rows.txt", b"x")


def test_bad_json_is_shown_at_its_line_and_column(tmp_path: Path) -> None:
    text = refusal(tmp_path, "rows.jsonl", b'{"prompt": "a"}\n{"prompt": b}\n')
    assert text.startswith("rows.jsonl:2:12: not JSON: Expecting value")
    assert '  2 | {"prompt": b}' in text


def test_json_lines_in_a_json_file_are_recognised(tmp_path: Path) -> None:
    assert "call it .jsonl" in refusal(tmp_path, "rows.json", JSONL.encode())


def test_an_object_where_a_list_is_meant_is_refused(tmp_path: Path) -> None:
    assert "the file holds one object" in refusal(tmp_path, "rows.json", b'{"prompt": "a"}')


def test_a_row_that_is_no_object_is_refused(tmp_path: Path) -> None:
    assert refusal(tmp_path, "rows.jsonl", b'"a"\n').startswith("rows.jsonl:1:1: the row is not an object")
    assert refusal(tmp_path, "rows.json", b'["a"]').startswith("rows.json, row 1: the row is not an object")


@pytest.mark.parametrize("name", ["rows.jsonl", "rows.csv", "rows.json"])
def test_bytes_that_are_not_utf8_are_shown_by_offset_and_place(tmp_path: Path, name: str) -> None:
    text = refusal(
        tmp_path, name, b'"\xc3\xa9"\n\n"caf\xe9"\n' if name != "rows.jsonl" else b'{}\n\n{"caf\xe9"}\n'
    )
    offset, column = ("10", "5") if name != "rows.jsonl" else ("9", "6")
    assert f"{name}:3:{column}: byte {offset} (0xe9) is not UTF-8" in text


def test_nesting_without_end_is_refused(tmp_path: Path) -> None:
    assert "not JSON that can be read" in refusal(tmp_path, "rows.jsonl", b"[" * 200_000)


def test_csv_with_a_cell_too_many_is_shown_at_its_line(tmp_path: Path) -> None:
    text = refusal(tmp_path, "rows.csv", b"id,prompt\na,One, two?\n")
    assert text.startswith("rows.csv:2:1: the row has 3 cells and the first line 2 names")


def test_csv_with_a_quote_left_open_or_a_name_twice_is_refused(tmp_path: Path) -> None:
    assert "not CSV" in refusal(tmp_path, "rows.csv", b'id,prompt\na,"One?\n')
    assert "two columns are called `id`" in refusal(tmp_path, "rows.csv", b"id,id\n1,2\n")


def test_damaged_gzip_and_parquet_are_refused(tmp_path: Path) -> None:
    assert "not a whole gzip file" in refusal(tmp_path, "a.jsonl.gz", gzip.compress(JSONL.encode())[:-9])
    assert "not a whole gzip file" in refusal(tmp_path, "b.jsonl.gz", JSONL.encode())
    assert "not a Parquet file" in refusal(tmp_path, "c.parquet", b"PAR1 nothing")


def test_a_hub_id_is_told_from_a_misspelt_path(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    assert is_hub_id(Source(path="org/set-v1.1"), base=tmp_path)
    assert is_hub_id(Source(path="squad"), base=tmp_path)
    for path in ("data/red_tem", "./x", "../x", "/x/y", "red_team.txt", "org/rows.jsonl", "data", "a/b/c"):
        assert not is_hub_id(Source(path=path), base=tmp_path)
