"""People's own files in other containers than plain JSON: gzip, Parquet, Arrow.

What is in them is handed on as JSON, unpacked or record by record, so that one reader knows what records mean.
"""

import gzip
import mmap
import tempfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from mix665k.builders.json_text import is_json_lines
from mix665k.builders.parts import Parts
from mix665k.builders.registry import RawFile
from mix665k.schemas.errors import RawDataError, one_line, os_reason
from mix665k.schemas.files import os_errors, regular_file

if TYPE_CHECKING:
    import pyarrow as pa

Container = Literal["gzip", "Parquet", "Arrow"]
_GZIP = b"\x1f\x8b"
_ARROW_FILE = b"ARROW1"
_CONTINUATION = b"\xff\xff\xff\xff"
"""What a message of an Arrow stream begins with, as `datasets` writes them; zeros after it end the stream."""
_STARTS: tuple[tuple[bytes, Container], ...] = (
    (_GZIP, "gzip"),
    (b"PAR1", "Parquet"),
    (_ARROW_FILE, "Arrow"),
    (_CONTINUATION, "Arrow"),
)
_MOST_TIMES, _LEAST_LIMIT = 100, 1 << 28
"""Unpacked texts are 3 to 20 times as large; a file that repeats a byte unpacks to 1,000 times its size."""
_CHUNK = 1 << 20
_ROWS = 1_000
_PICTURE = {"bytes", "path"}
"""The fields of a picture as `datasets` stores it."""


def container_of(data: bytes | mmap.mmap) -> Container | None:
    """The container that a file begins as; None for what may be JSON."""
    return next((name for mark, name in _STARTS if data[: len(mark)] == mark), None)


def form_of(path: Path) -> str | None:
    """What a file of records is stored as, in words; None for a JSON list, and for what is not there or no file."""
    if not path.is_file():
        return None
    with os_errors(RawDataError, path), regular_file(path).open("rb") as file:
        start = file.read(_CHUNK)
    container = container_of(start)
    if container == "gzip":
        try:
            start = zlib.decompressobj(wbits=31).decompress(start, _CHUNK)
        except zlib.error:
            return "gzip"
        return "JSON Lines in gzip" if is_json_lines(memoryview(start)) else "JSON in gzip"
    return container or ("JSON Lines" if is_json_lines(memoryview(start)) else None)


def forms_of(file: RawFile, parts: Parts) -> list[tuple[Path, str]]:
    """The parts of a file in people's own forms, each with what it is stored as; see `form_of`."""
    return [(part, form) for part in parts if file.table_columns and (form := form_of(part))]


def unpacked(path: Path) -> mmap.mmap:
    """What a gzip file holds, in a temporary file that is gone once it is no longer mapped.

    Raises:
        RawDataError: when it is damaged, cut off, empty, unpacks to far more than texts do, or there is no room.
    """
    limit = max(_LEAST_LIMIT, _MOST_TIMES * path.stat().st_size)
    size = 0
    with os_errors(RawDataError, f"{path}: unpacked in {tempfile.gettempdir()}"), tempfile.TemporaryFile() as file:
        try:
            with gzip.open(path) as packed:
                while chunk := packed.read(_CHUNK):
                    size += len(chunk)
                    if size > limit:
                        raise RawDataError(
                            f"{path}: unpacks to more than {limit:,} bytes, over {_MOST_TIMES} times its size, "
                            "expected texts; unpack it with gunzip if it is what you mean"
                        )
                    file.write(chunk)
        except EOFError:
            raise RawDataError(f"{path}: not a complete gzip file: it ends early; download it again") from None
        except (gzip.BadGzipFile, zlib.error) as error:
            why = one_line(error)
            raise RawDataError(f"{path}: a damaged gzip file: {why}; download it again") from None
        if not size:
            raise RawDataError(f"{path}: nothing is packed in it, expected JSON; download it again")
        file.flush()
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)


def table_records(
    path: Path,
    container: Container,
    *,
    columns: Sequence[str],
    progress: Callable[[int], None],
    groups: range | None = None,
    first: int = 0,
) -> Iterator[tuple[int, msgspec.Raw]]:
    """The rows of a Parquet or Arrow file as JSON, numbered from `first`; a field that is null is left out.

    `columns` are those of which it has one. Of pictures in it the paths are read only. Of Parquet the row groups
    `groups` are read, all by default.

    Raises:
        RawDataError: when it is damaged or cut off, has none of the columns, or a picture without a path.
    """
    encode = msgspec.json.Encoder(enc_hook=str).encode
    number = first
    if container == "Parquet":
        batches = _parquet_batches(path, columns=columns, progress=progress, groups=groups)
    else:
        batches = _arrow_batches(path, columns=columns, progress=progress)
    with _damage(path):
        for batch in batches:
            pictures = [name for name in batch.schema.names if _holds_pictures(batch.schema.field(name).type)]
            for row in batch.to_pylist():
                for name in columns:
                    row[name] = _as_turns(row.get(name))
                for name in pictures:
                    row[name] = _paths(row[name], where=f"{path}: row {number}: {name}")
                yield number, msgspec.Raw(encode(_without_null(row)))
                number += 1


def count_rows(path: Path, container: Container, *, columns: Sequence[str]) -> int:
    """The rows of an Arrow or Parquet file.

    Raises:
        RawDataError: when it is damaged or cut off, or has none of the columns.
    """
    batches = _parquet_batches if container == "Parquet" else _arrow_batches
    with _damage(path):
        return sum(len(batch) for batch in batches(path, columns=columns, progress=lambda _: None))


def _parquet_batches(
    path: Path, *, columns: Sequence[str], progress: Callable[[int], None], groups: range | None = None
) -> Iterator["pa.RecordBatch"]:
    import pyarrow.parquet as pq

    with pq.ParquetFile(path.absolute()) as file:
        _require_columns(path, file.schema_arrow, columns)
        leaves = [file.schema.column(i).path for i in range(len(file.schema))]
        of_pictures = {leaf for leaf in leaves if leaf.endswith(".bytes") and f"{leaf[:-6]}.path" in leaves}
        share = path.stat().st_size / max(file.metadata.num_rows, 1)
        read = [leaf for leaf in leaves if leaf not in of_pictures]
        for batch in file.iter_batches(_ROWS, row_groups=None if groups is None else list(groups), columns=read):
            batch.validate(full=True)  # offsets outside of a buffer would end the process
            yield batch
            progress(int(share * len(batch)))


def _arrow_batches(
    path: Path, *, columns: Sequence[str], progress: Callable[[int], None]
) -> Iterator["pa.RecordBatch"]:
    import pyarrow as pa

    with pa.memory_map(str(path.absolute())) as data:
        if data.read(len(_ARROW_FILE)) == _ARROW_FILE:
            file = pa.ipc.open_file(data)
            numbered = (file.get_batch(i) for i in range(file.num_record_batches))
        else:
            # a stream that lacks its last batches altogether would be read as a shorter one
            data.seek(max(data.size() - 8, 0))
            if data.read() != _CONTINUATION + bytes(4):
                raise RawDataError(f"{path}: not a complete Arrow file: its end is missing; save or download it again")
            data.seek(0)
            file = pa.ipc.open_stream(data)
            numbered = iter(file)
        _require_columns(path, file.schema, columns)
        for whole in numbered:
            whole.validate(full=True)
            batch = whole.from_arrays([_without_bytes(one) for one in whole.columns], names=whole.schema.names)
            yield from (batch.slice(start, _ROWS) for start in range(0, len(batch), _ROWS))
            progress(whole.nbytes)


def _require_columns(path: Path, schema: "pa.Schema", columns: Sequence[str]) -> None:
    if not any(name in schema.names for name in columns):
        found = ", ".join(schema.names[:20]) or "no columns"
        raise RawDataError(
            f"{path}: columns are {found}, expected {' or '.join(columns)} among them; rename the column"
        )


def _holds_pictures(kind: "pa.DataType") -> bool:
    """Whether values of this type are pictures, or lists of pictures, without their bytes."""
    import pyarrow.types as pt

    if pt.is_list(kind) or pt.is_large_list(kind):
        return _holds_pictures(kind.value_type)
    return pt.is_struct(kind) and [field.name for field in kind] == ["path"]


def _without_bytes(column: "pa.Array") -> "pa.Array":
    """A column of pictures, or of lists of them, with their paths only; others as they are."""
    import pyarrow as pa
    import pyarrow.types as pt

    kind = column.type
    if pt.is_list(kind) and _is_picture(kind.value_type):
        items = _without_bytes(column.values)
        # the validity comes from the buffer, or it would have to be known where the column is sliced
        validity = column.buffers()[:2]
        return pa.Array.from_buffers(
            pa.list_(items.type), len(column), validity, offset=column.offset, children=[items]
        )
    if not _is_picture(kind):
        return column
    paths = column.flatten()[kind.get_field_index("path")]
    return pa.StructArray.from_arrays([paths], names=["path"], mask=column.is_null())


def _is_picture(kind: "pa.DataType") -> bool:
    import pyarrow.types as pt

    return pt.is_struct(kind) and {field.name for field in kind} == _PICTURE


def _paths(value: Any, *, where: str) -> Any:
    """The path of a picture, or the paths of a list."""
    if isinstance(value, list):
        return [_paths(one, where=where) for one in value]
    if value is None or value["path"]:
        return value and value["path"]
    raise RawDataError(
        f"{where}: a picture without a path, expected the path of a file below the images folder; save the pictures as "
        "files and put their paths in"
    )


def _as_turns(value: Any) -> Any:
    """A list of turns, which older `datasets` stored as a list for each field; other values as they are."""
    if not isinstance(value, dict) or not all(isinstance(one, list) for one in value.values()):
        return value
    if len({len(one) for one in value.values()}) == 1:
        return [dict(zip(value, turn, strict=True)) for turn in zip(*value.values(), strict=True)]
    return value


def _without_null(value: Any) -> Any:
    """A value without the fields that are null: tables have every column in every row."""
    if isinstance(value, dict):
        return {name: _without_null(one) for name, one in value.items() if one is not None}
    return [_without_null(one) for one in value] if isinstance(value, list) else value


@contextmanager
def _damage(path: Path) -> Iterator[None]:
    """One line for what pyarrow says of a file that it cannot read."""
    import pyarrow as pa

    try:
        yield
    except (pa.ArrowException, UnicodeDecodeError) as error:
        raise RawDataError(f"{path}: damaged or not complete: {one_line(error)}; download it again") from None
    except OSError as error:
        if error.errno is not None:
            raise RawDataError(f"{path}: {os_reason(error)}") from None
        raise RawDataError(f"{path}: damaged: {one_line(error)}; download it again") from None  # cannot be unpacked
