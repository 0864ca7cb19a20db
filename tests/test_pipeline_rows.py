"""Reading rows one by one: a row that cannot be read is a problem in its place, and the next ones come.

What each format gives, and what is wrong with files, is in `test_solon_rows.py`.
"""

from pathlib import Path

import pytest

from constitution.document import Problem
from pipeline.rows import InputError, Row, iter_file


def read(folder: Path, name: str, content: bytes) -> list[Row | Problem]:
    (folder / name).write_bytes(content)
    return list(iter_file(folder / name))


def shape(rows: list[Row | Problem]) -> list[object]:
    """Rows as their values, problems as their lines."""
    return [row.line if isinstance(row, Problem) else dict(row.values) for row in rows]


def test_a_bad_line_of_json_stands_between_good_ones(tmp_path: Path) -> None:
    rows = read(tmp_path, "rows.jsonl", b'{"a": 1}\n{"a":\n\n[]\n"\xff"\n{"a": 2}\n')
    assert shape(rows) == [{"a": 1}, 2, 4, 5, {"a": 2}]
    assert "byte 20 (0xff) is not UTF-8" in str(rows[3])


def test_a_bad_object_of_a_json_list_stands_between_good_ones(tmp_path: Path) -> None:
    rows = read(tmp_path, "rows.json", b'[{"a": 1}, 7, {"a": 2}]')
    assert shape(rows) == [{"a": 1}, None, {"a": 2}]
    assert "row 2: the row is not an object" in str(rows[1])


def test_a_bad_row_of_csv_stands_between_good_ones(tmp_path: Path) -> None:
    mark = b"\xef\xbb\xbf"
    rows = read(tmp_path, "rows.csv", mark + b'a,b\r\n1,"x\r\ny"\r\n2\r\n3,\xe9\r\n4,z\r\n')
    assert shape(rows) == [{"a": "1", "b": "x\r\ny"}, 4, 5, {"a": "4", "b": "z"}]
    assert "the row has 1 cells" in str(rows[1])
    assert "byte 23 (0xe9)" in str(rows[2])
    assert rows[2].column == 3  # type: ignore[union-attr]


def test_bytes_behind_the_mark_of_a_file_are_counted_with_it(tmp_path: Path) -> None:
    (problem,) = read(tmp_path, "rows.jsonl", b'\xef\xbb\xbf{"a": "\xff"}\n')
    assert "byte 10 (0xff)" in str(problem)
    with pytest.raises(InputError, match=r"byte 8 \(0xff\)"):
        read(tmp_path, "rows.json", b'\xef\xbb\xbf["a", "\xff"]'.replace(b'"a", ', b"   "))


def test_names_of_columns_that_are_no_text_cost_the_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"byte 2 \(0xe9\) is not UTF-8"):
        read(tmp_path, "rows.csv", b"a,\xe9\n1,2\n")
