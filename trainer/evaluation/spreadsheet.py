"""The first sheet of an xlsx file as rows; a spreadsheet library would be needed for nothing else."""

import re
import zipfile
from pathlib import Path
from xml.etree import ElementTree

from mix665k.schemas.errors import EvaluationError
from mix665k.schemas.files import os_errors, regular_file

_MAIN = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
_MAX_BYTES = 1 << 30


def read_spreadsheet(path: Path) -> list[dict[str, str]]:
    """The rows of the first sheet, by the names in its first row; an empty cell is an empty text.

    Raises:
        EvaluationError: when it is no xlsx file.
    """
    try:
        with os_errors(EvaluationError, path), zipfile.ZipFile(regular_file(path)) as file:
            shared = ElementTree.fromstring(_part(file, "xl/sharedStrings.xml")) if _has_shared(file) else ()
            texts = [_text(one) for one in shared]
            sheet = ElementTree.fromstring(_part(file, "xl/worksheets/sheet1.xml"))
    except (zipfile.BadZipFile, KeyError, ElementTree.ParseError) as error:
        raise EvaluationError(f"{path}: not an xlsx file ({error}); save it as one again") from None
    rows = [_cells(row, texts) for row in sheet.iter(f"{_MAIN}row")]
    header = {column: name for column, name in (rows[0] if rows else {}).items() if name}
    return [{name: row.get(column, "") for column, name in header.items()} for row in rows[1:]]


def _has_shared(file: zipfile.ZipFile) -> bool:
    return "xl/sharedStrings.xml" in file.namelist()


def _part(file: zipfile.ZipFile, name: str) -> bytes:
    if file.getinfo(name).file_size > _MAX_BYTES:
        raise zipfile.BadZipFile(f"{name} is larger than {_MAX_BYTES:,} bytes")
    return file.read(name)


def _cells(row: ElementTree.Element, texts: list[str]) -> dict[str, str]:
    cells: dict[str, str] = {}
    for cell in row.iter(f"{_MAIN}c"):
        column = re.sub(r"\d", "", cell.get("r", ""))
        value = cell.findtext(f"{_MAIN}v", "")
        kind = cell.get("t")
        cells[column] = texts[int(value)] if kind == "s" else _text(cell) if kind == "inlineStr" else value
    return cells


def _text(item: ElementTree.Element) -> str:
    return "".join(one.text or "" for one in item.iter(f"{_MAIN}t"))
