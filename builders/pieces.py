"""Large raw files cut into pieces, which tasks of their own read: lines, items of a list, row groups, whole files.

A cut knows the place of its first record, so that ids made of places and what messages say are those of the file read
in one go. Indexing a file takes one pass over its bytes and keeps nothing of them.
"""

import mmap
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

import msgspec
import numpy as np

from mix665k.builders.containers import Container, container_of, count_rows, table_records
from mix665k.builders.decode import count_records, decoded, map_file, split_file
from mix665k.builders.json_text import BOM, is_json_lines
from mix665k.builders.registry import RawFile
from mix665k.schemas.files import UNREADABLE

Kind = Literal["lines", "items", "row groups", "file"]
_CHUNK = 1 << 22
_SPACE = (9, 10, 11, 12, 13, 32)
_LINE_END, _QUOTE, _COMMA, _BACKSLASH = b'\n",\\'
_PAGE = mmap.PAGESIZE
_GIVE_BACK = 1 << 20


class Mark(NamedTuple):
    """Where a cut may begin: its first byte, or row group, and the place of the record there."""

    at: int
    place: int


class Index(NamedTuple):
    """How a file can be cut: its marks, of which the last is its end, and the number of its records."""

    kind: Kind
    marks: list[Mark]
    records: int


class Cut(NamedTuple):
    """A part of a file: from `start` up to `stop`, which are bytes or row groups.

    `first` is the place of its first record in the file, `before` the number of records of the files before that.
    """

    path: Path
    kind: Kind
    start: int
    stop: int
    first: int
    before: int


Piece = tuple[Cut, ...]
"""What one task reads, in order."""


class OddFileError(Exception):
    """A piece cannot be read by itself: the file is to be read as one, which says what is wrong with it."""


def can_be_indexed(file: RawFile) -> bool:
    """Whether files of this declaration are lists of records that say nothing of each other."""
    of_split = file.split or file.split_field or file.states
    return file.at in ("[]", "lines") and not file.id_name and not of_split


def index_file(file: RawFile, path: Path, *, every: int) -> Index | None:
    """Where a file can be cut into pieces of about `every` bytes; None for one that has to be read as one.

    Raises:
        RawDataError: when it is missing, empty or damaged.
    """
    data = map_file(path)
    container = container_of(data[:8]) if file.table_columns else None
    if container == "Parquet":
        return _index_groups(path, every)
    if container:
        records = count_rows(path, container, columns=file.table_columns) if container == "Arrow" else None
        records = count_records(file, path) if records is None else records
        return Index("file", [Mark(0, 0), Mark(len(data), records)], records)
    start = len(BOM) if data[: len(BOM)] == BOM else 0
    if file.at == "lines" or is_json_lines(memoryview(data)[start:]):
        return _index_lines(data, start, every)
    return _index_items(data, start, every)


def _index_groups(path: Path, every: int) -> Index:
    import pyarrow.parquet as pq

    with pq.ParquetFile(path.absolute()) as file:
        groups = [file.metadata.row_group(i) for i in range(file.metadata.num_row_groups)]
        rows = [0, *np.cumsum([group.num_rows for group in groups]).tolist()]
        share = path.stat().st_size / max(rows[-1], 1)
    marks = [Mark(0, 0)]
    for i in range(1, len(groups)):
        if (rows[i] - marks[-1].place) * share >= every:
            marks.append(Mark(i, rows[i]))
    return Index("row groups", [*marks, Mark(len(groups), rows[-1])], rows[-1])


def _index_lines(data: mmap.mmap, start: int, every: int) -> Index:
    """Marks at the beginnings of lines; blank lines have places and are no records."""
    marks, begin, lines, blank = [Mark(start, 0)], start, 0, 0
    for at in range(start, len(data), _CHUNK):
        chunk = np.frombuffer(data, np.uint8, count=min(_CHUNK, len(data) - at), offset=at)
        ends = np.flatnonzero(chunk == _LINE_END) + (at + 1)
        if not len(ends):
            continue
        starts = np.concatenate([[begin], ends[:-1]])
        inside = np.maximum(starts - at, 0)
        doubtful = np.flatnonzero(np.isin(chunk[inside], _SPACE) | (starts < at))
        blank += sum(data[starts[i] : ends[i]].isspace() for i in doubtful)
        while (i := int(np.searchsorted(ends, marks[-1].at + every))) < len(ends):
            marks.append(Mark(int(ends[i]), lines + i + 1))
        lines, begin = lines + len(ends), int(ends[-1])
        del chunk
        _give_back(data, at)
    if begin < len(data):
        lines, blank = lines + 1, blank + data[begin:].isspace()
    if marks[-1].at == len(data):
        marks.pop()
    return Index("lines", [*marks, Mark(len(data), lines)], lines - blank)


class _Scan(NamedTuple):
    """Where a scan for brackets outside of strings is: whether in a string, how deep, behind how many backslashes."""

    in_string: int = 0
    depth: int = 0
    backslashes: int = 0


def _index_items(data: mmap.mmap, start: int, every: int) -> Index | None:
    """Marks behind commas of a list; None for what is no list, or ends too early or late."""
    while start < len(data) and data[start] in _SPACE:
        start += 1
    if data[start : start + 1] != b"[":
        return None
    marks, commas, scan = [Mark(start + 1, 0)], 0, _Scan()
    for at in range(start, len(data), _CHUNK):
        chunk = np.frombuffer(data, np.uint8, count=min(_CHUNK, len(data) - at), offset=at)
        outside, depth, scan = _levels(chunk, scan)
        found = np.flatnonzero(outside & (depth == 1) & (chunk == _COMMA)) + (at + 1)
        closing = np.flatnonzero(outside & (depth == 0) & np.isin(chunk, (ord("]"), ord("}"))))
        while (i := int(np.searchsorted(found, marks[-1].at + every))) < len(found):
            marks.append(Mark(int(found[i]), commas + i + 1))
        commas += len(found)
        del chunk
        _give_back(data, at)
        if len(closing):
            end = at + int(closing[0])
            filled = commas or data[start + 1 : end].strip()
            ends_there = data[end] == ord("]") and filled and not data[end + 1 :].strip()
            return Index("items", [*marks, Mark(end + 1, commas + 1)], commas + 1) if ends_there else None
    return None


def _levels(chunk: Any, scan: _Scan) -> tuple[Any, Any, _Scan]:
    """Which bytes are outside of strings, how deep each is, its own bracket counted, and where the scan is then."""
    is_quote, backslash = chunk == _QUOTE, chunk == _BACKSLASH
    run = scan.backslashes
    if run or backslash.any():
        places = np.arange(len(chunk), dtype=np.int32)
        behind = places - np.maximum.accumulate(np.where(backslash, np.int32(-1 - run), places))
        is_quote[1:] &= behind[:-1] % 2 == 0
        is_quote[0] &= run % 2 == 0
        run = int(behind[-1]) if backslash[-1] else 0
    in_string = (np.cumsum(is_quote, dtype=np.int32) + scan.in_string) & 1
    outside = in_string == 0
    steps = np.zeros(256, np.int8)
    steps[[ord("["), ord("{")]], steps[[ord("]"), ord("}")]] = 1, -1
    depth = np.cumsum(steps[chunk] * outside, dtype=np.int32) + scan.depth
    return outside, depth, _Scan(int(in_string[-1]), int(depth[-1]), run)


def _give_back(data: mmap.mmap, upto: int) -> None:
    """Let the system have the memory of what was read, up to a byte."""
    if whole := upto // _PAGE * _PAGE:
        data.madvise(mmap.MADV_DONTNEED, 0, whole)


def cut(paths: Sequence[Path], indices: Sequence[Index], *, every: int) -> list[Piece]:
    """The files cut into pieces of about `every` bytes; small files go together."""
    pieces: list[Piece] = []
    held: list[Cut] = []
    filled = before = 0
    for path, index in zip(paths, indices, strict=True):
        size = path.stat().st_size
        for mark, following in zip(index.marks, index.marks[1:], strict=False):
            span = {"start": mark.at, "stop": following.at}
            held.append(Cut(path, index.kind, **span, first=mark.place, before=before))
            filled += size // (len(index.marks) - 1)
            if filled >= every:
                pieces.append(tuple(held))
                held, filled = [], 0
        before += index.records
    return [*pieces, tuple(held)] if held else pieces


def decoded_piece(
    file: RawFile, piece: Piece, progress: Callable[[int], None]
) -> Iterator[tuple[Path, tuple[str | int, str, Any, Any]]]:
    """The entries of a piece, as `decode.decoded_parts` gives those of whole files.

    Raises:
        RawDataError: when a file is damaged.
        OddFileError: for what cannot be read without the rest of its file.
    """
    for one in piece:
        records = split_file(file, one.path, progress) if one.kind == "file" else _records(file, one, progress)
        for entry in decoded(file, one.path, records, num_before=one.before):
            yield one.path, entry


def _records(file: RawFile, one: Cut, progress: Callable[[int], None]) -> Iterator[tuple[str | int, msgspec.Raw]]:
    if one.kind == "row groups":
        container: Container = "Parquet"
        groups = range(one.start, one.stop)
        rows = table_records(
            one.path, container, columns=file.table_columns, progress=progress, groups=groups, first=one.first
        )
        yield from rows
        return
    data = map_file(one.path)
    if one.kind == "items":
        try:
            items = msgspec.json.decode(b"[%b]" % data[one.start : one.stop - 1], type=list[msgspec.Raw])
        except UNREADABLE:
            raise OddFileError(one.path) from None
        progress(one.stop - one.start)
        yield from enumerate(items, one.first)
        return
    data.seek(one.start)
    place, pending = one.first, 0
    while data.tell() < one.stop:
        line = data.readline()
        if not line.isspace():
            yield place, msgspec.Raw(line)
        place, pending = place + 1, pending + len(line)
        if pending > _GIVE_BACK:
            progress(pending)
            pending = 0
            _give_back(data, data.tell())
    progress(pending)
