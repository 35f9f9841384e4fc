"""Tables as xlsx files: those that VLMEvalKit writes, and the one that MMBench's server takes."""

import io
import re
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mix665k.schemas.errors import EvaluationError
from mix665k.schemas.files import os_errors, regular_file

if TYPE_CHECKING:
    from openpyxl.workbook import Workbook

SHEET = "Sheet1"
"""What pandas, and so LLaVA and VLMEvalKit, call the only sheet."""
_MAX_BYTES = 1 << 30
_DAMAGED = (
    *(zipfile.BadZipFile, zlib.error, NotImplementedError, EOFError),  # the archive
    *(SyntaxError, KeyError, ValueError, TypeError, AttributeError, IndexError),  # XML, and what openpyxl makes of it
)
_NO_TIME = (1980, 1, 1, 0, 0, 0)
_TIME = re.compile(rb"(<dcterms:\w+[^>]*>)[^<]*")


def read_spreadsheet(path: Path) -> list[dict[str, Any]]:
    """The rows of a sheet, `Sheet1` or the only one, by the names in its first row; an empty cell is an empty text.

    Numbers stay numbers. A text that begins with `=` is a formula to the file, and is given as it is written.

    Raises:
        EvaluationError: when it is no xlsx file, is damaged, unpacks to more than 1 GiB, or has no such sheet.
    """
    import openpyxl

    with os_errors(EvaluationError, path):
        content = regular_file(path).read_bytes()
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as file:
            unpacked = sum(one.file_size for one in file.infolist())
        if unpacked <= _MAX_BYTES:
            rows = _rows(openpyxl.load_workbook(io.BytesIO(content), read_only=True), path)
    except _DAMAGED as error:
        why = " ".join(str(error).split()) or type(error).__name__
        raise EvaluationError(f"{path}: not an xlsx file, or a damaged one ({why}); save it as one again") from None
    if unpacked > _MAX_BYTES:
        raise EvaluationError(f"{path}: unpacks to {unpacked:,} bytes, expected at most {_MAX_BYTES:,}")
    header = {place: str(name) for place, name in enumerate(rows[0] if rows else ()) if name is not None}
    return [{name: _cell(row, place) for place, name in header.items()} for row in rows[1:] if any(map(_said, row))]


def _rows(book: "Workbook", path: Path) -> list[tuple[Any, ...]]:
    sheets = {sheet.title: sheet for sheet in book.worksheets}
    sheet = sheets.get(SHEET) or (next(iter(sheets.values())) if len(sheets) == 1 else None)
    if sheet is None:
        names = ", ".join(map(repr, sheets)) or "none"
        raise EvaluationError(f"{path}: no sheet {SHEET!r}, has {names}; expected it, or one sheet only")
    sheet.reset_dimensions()  # some programs write wrong ones, and rows beyond them would be lost
    return list(sheet.iter_rows(values_only=True))


def _said(value: Any) -> bool:
    return value is not None


def _cell(row: Sequence[Any], place: int) -> Any:
    return row[place] if place < len(row) and row[place] is not None else ""


def spreadsheet(columns: Sequence[str], rows: Sequence[Mapping[str, str | int | None]]) -> bytes:
    """An xlsx file of one sheet, `Sheet1`: the same bytes for the same rows.

    None is an empty cell. Control characters, which the form cannot hold, are left out.
    """
    from openpyxl import Workbook
    from openpyxl.cell import WriteOnlyCell
    from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE

    book = Workbook(write_only=True)
    sheet = book.create_sheet(SHEET)
    sheet.append(list(columns))
    for row in rows:
        cells: list[Any] = []
        for name in columns:
            value = row[name]
            cell = WriteOnlyCell(sheet, value=ILLEGAL_CHARACTERS_RE.sub("", value) if isinstance(value, str) else value)
            if isinstance(value, str):
                cell.data_type = "s"  # a text that begins with `=` is no formula
            cells.append(cell)
        sheet.append(cells)
    packed = io.BytesIO()
    book.save(packed)
    return _without_time(packed)


def _without_time(packed: io.BytesIO) -> bytes:
    """The archive with one date on everything, where openpyxl puts the time of writing."""
    out = io.BytesIO()
    with zipfile.ZipFile(packed) as file, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as again:
        for one in file.infolist():
            content = file.read(one)
            if one.filename == "docProps/core.xml":
                content = _TIME.sub(rb"\g<1>1980-01-01T00:00:00Z", content)
            again.writestr(zipfile.ZipInfo(one.filename, _NO_TIME), content, zipfile.ZIP_DEFLATED)
    return out.getvalue()
