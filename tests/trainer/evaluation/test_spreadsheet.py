"""Tables of VLMEvalKit are read, and MMBench's upload is what LLaVA's script writes."""

import io
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from mix665k.schemas.errors import EvaluationError
from mix665k.trainer.evaluation import spreadsheet as module
from mix665k.trainer.evaluation.answer_files import read_answers
from mix665k.trainer.evaluation.spreadsheet import read_spreadsheet, spreadsheet
from tests.trainer.evaluation.cases import mmbench, scored


def book(path: Path, **sheets: Sequence[Any]) -> Path:
    made = openpyxl.Workbook()
    made.remove(made.worksheets[0])
    for name, rows in sheets.items():
        sheet = made.create_sheet(name)
        for row in rows:
            sheet.append(row)
    made.save(path)
    return path


def rows_of(content: bytes) -> list[tuple[Any, ...]]:
    read = openpyxl.load_workbook(io.BytesIO(content), data_only=True)
    assert read.sheetnames == ["Sheet1"]
    return list(read.worksheets[0].iter_rows(values_only=True))


def test_a_table_is_read_by_its_names_with_numbers_and_empty_cells(tmp_path: Path) -> None:
    rows = [["index", None, "prediction"], [7, "x", "B"], [None, None, None], [8, None, None], [9]]
    assert read_spreadsheet(book(tmp_path / "a.xlsx", Sheet1=rows)) == [
        {"index": 7, "prediction": "B"},
        {"index": 8, "prediction": ""},
        {"index": 9, "prediction": ""},
    ]


def test_sheet1_is_read_among_several_and_any_other_when_it_is_the_only_one(tmp_path: Path) -> None:
    mine, others = [["index"], [1]], [["index"], [2]]
    assert read_spreadsheet(book(tmp_path / "a.xlsx", notes=others, Sheet1=mine)) == [{"index": 1}]
    assert read_spreadsheet(book(tmp_path / "b.xlsx", mine=mine)) == [{"index": 1}]
    with pytest.raises(EvaluationError, match=r"c\.xlsx: no sheet 'Sheet1', has 'a', 'b'; expected it, or one sheet"):
        read_spreadsheet(book(tmp_path / "c.xlsx", a=mine, b=others))


def damaged(folder: Path, kind: str) -> Path:
    path = book(folder / "a.xlsx", Sheet1=[["index", "prediction"], [1, "A"]])
    content = path.read_bytes()
    if kind == "cut off":
        path.write_bytes(content[: len(content) // 2])
    elif kind == "an archive of something else":
        with zipfile.ZipFile(path, "w") as file:
            file.writestr("a.txt", "a")
    elif kind in ("a sheet that is no XML", "a row that is no number"):
        with zipfile.ZipFile(io.BytesIO(content)) as file, zipfile.ZipFile(path, "w") as again:
            for one in file.infolist():
                part = file.read(one)
                if one.filename == "xl/worksheets/sheet1.xml":
                    part = part[:-30] if kind == "a sheet that is no XML" else part.replace(b'r="2"', b'r="x"')
                again.writestr(one.filename, part)
    elif kind == "bytes that were changed":
        at = content.index(b"sheet1.xml") + 40
        path.write_bytes(content[:at] + bytes(40) + content[at + 40 :])
    elif kind == "an old xls file":
        path.write_bytes(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600))
    else:
        path.write_bytes(b"")
    return path


@pytest.mark.parametrize(
    "kind",
    [
        "cut off",
        "an archive of something else",
        "a sheet that is no XML",
        "a row that is no number",
        "bytes that were changed",
        "an old xls file",
        "empty",
    ],
)
def test_a_damaged_file_is_one_line(kind: str, tmp_path: Path) -> None:
    with pytest.raises(
        EvaluationError, match=r"a\.xlsx: not an xlsx file, or a damaged one \(.+\); save it as one"
    ) as e:
        read_spreadsheet(damaged(tmp_path, kind))
    assert "\n" not in str(e.value)


def test_a_file_that_unpacks_to_more_than_the_limit_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MAX_BYTES", 1 << 16)
    path = book(tmp_path / "a.xlsx", Sheet1=[["prediction"], ["A"]])
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as file:
        file.writestr("xl/media/bomb", bytes(1 << 17))
    assert path.stat().st_size < 1 << 16
    with pytest.raises(EvaluationError, match=r"unpacks to 1\d\d,\d{3} bytes, expected at most 65,536"):
        read_spreadsheet(path)


def test_a_number_is_no_answer(tmp_path: Path) -> None:
    path = book(tmp_path / "a.xlsx", Sheet1=[["index", "prediction"], [1, 4]])
    with pytest.raises(EvaluationError, match="record 1: prediction is 4, expected a string"):
        read_answers(path)


def test_mmbenchs_upload_has_the_servers_columns_and_is_the_same_twice(tmp_path: Path) -> None:
    columns = "index question hint A B C D answer category split"
    rows = [
        (1, "Q?", "h", "x", "y", "", "nan", "A", "c", "dev"),
        (2, "=R?", "", "x", "y", "z", "w", "D", "c", "dev"),
    ]
    mmbench(tmp_path, *rows, columns=columns)
    answers = [{"index": 2, "prediction": "D"}, {"index": 1, "prediction": "=A\x07"}]
    found = scored("mmbench", tmp_path, answers)
    assert [one.name for one in found.outputs] == ["mmbench_upload.xlsx"]
    assert rows_of(found.outputs[0].content) == [
        ("index", "question", "A", "B", "C", "D", "prediction", "answer", "split"),
        (1, "Q?", "x", "y", None, None, "=A", "A", "dev"),
        (2, "=R?", "x", "y", "z", "w", "D", "D", "dev"),
    ]
    assert scored("mmbench", tmp_path, answers).outputs == found.outputs
    (tmp_path / "again.xlsx").write_bytes(found.outputs[0].content)
    assert [one.text for one in read_answers(tmp_path / "again.xlsx")] == ["=A", "D"]


def test_a_test_file_without_answers_gives_only_the_upload(tmp_path: Path) -> None:
    mmbench(tmp_path, (1, "Q?", "", "x", "y"), columns="index question hint A B")
    found = scored("mmbench", tmp_path, [{"index": 1, "prediction": "A"}])
    assert found.score is None
    assert rows_of(found.outputs[0].content) == [
        ("index", "question", "A", "B", "C", "D", "prediction"),
        (1, "Q?", "x", "y", None, None, "A"),
    ]


def test_the_same_rows_are_the_same_bytes_at_another_time(monkeypatch: pytest.MonkeyPatch) -> None:
    import time

    first = spreadsheet(["a"], [{"a": "x"}])
    monkeypatch.setattr(time, "time", lambda: 2e9)
    assert spreadsheet(["a"], [{"a": "x"}]) == first
    assert b"1980-01-01T00:00:00Z" in zipfile.ZipFile(io.BytesIO(first)).read("docProps/core.xml")
