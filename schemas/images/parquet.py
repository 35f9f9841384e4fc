"""Pictures in Parquet files: columns of bytes and path, as `datasets` stores its `Image` and `mix publish` writes."""

import hashlib
import mmap
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from mix665k.schemas.errors import ImageFileError, one_line
from mix665k.schemas.files import os_errors, regular_file
from mix665k.schemas.images.found import Found

_ROWS = 64
"""Read at once while the index is made: some ten megabytes of pictures."""
_SURE = 64
"""Bytes of a picture by which its place is looked for; then all of them are compared."""


class _Column(NamedTuple):
    """A column of pictures: its name, and the numbers of its bytes and its path among the leaves of the file."""

    name: str
    bytes: int


def pictures_in_parquet(path: Path) -> Iterator[Found]:
    """The pictures of a Parquet file, in order.

    What is stored as it is, neither compressed nor in a dictionary, is found in the file byte for byte: training reads
    a picture from there, where unpacking a row group for each would take a hundred.

    Raises:
        ImageFileError: when the file is damaged, or holds no pictures with their names.
    """
    with _opened(path) as file, regular_file(path).open("rb") as raw:
        columns = _picture_columns(file)
        if not columns:
            raise ImageFileError(
                f"{path}: no column of pictures, expected one with their bytes and paths, as `mix publish "
                "--with-images` writes; name the files that have it"
            )
        with mmap.mmap(raw.fileno(), 0, access=mmap.ACCESS_READ) as whole:
            for group in range(file.num_row_groups):
                for column in columns:
                    yield from _of_group(file, whole, column=column, group=group, path=path)


def read_packed(path: Path, found: Found) -> bytes:
    """The bytes of a picture that is stored compressed: its part of the file is unpacked.

    Raises:
        ImageFileError: when the file is damaged.
    """
    with _opened(path) as file:
        name = file.metadata.schema.column(found.column).path.split(".")[0]
        batches = file.iter_batches(_ROWS, row_groups=[found.group], columns=[name])
        row = found.row
        for batch in batches:
            pictures = _flat(batch.column(0))
            if row < len(pictures):
                content: bytes = pictures.field("bytes")[row].as_py()
                return content
            row -= len(pictures)
    raise ImageFileError(f"{path}: changed since its index was made; run it again")


@contextmanager
def _opened(path: Path) -> Iterator[pq.ParquetFile]:
    try:
        with os_errors(ImageFileError, path), pq.ParquetFile(regular_file(path).absolute()) as file:
            yield file
    except pa.ArrowException as error:
        raise ImageFileError(f"{path}: damaged: {one_line(error)}; download it again") from None


def _picture_columns(file: pq.ParquetFile) -> list[_Column]:
    leaves = {file.metadata.schema.column(i).path: i for i in range(file.metadata.num_columns)}
    return [
        _Column(field.name, at)
        for field in file.schema_arrow
        if _is_picture(field.type)
        for leaf, at in leaves.items()
        if leaf.split(".")[0] == field.name and leaf.endswith(".bytes")
    ]


def _is_picture(kind: Any) -> bool:
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return _is_picture(kind.value_type)
    return bool(pa.types.is_struct(kind)) and {"bytes", "path"} <= {field.name for field in kind}


def _of_group(file: pq.ParquetFile, whole: mmap.mmap, *, column: _Column, group: int, path: Path) -> Iterator[Found]:
    stored = file.metadata.row_group(group).column(column.bytes)
    at = min(one for one in (stored.dictionary_page_offset, stored.data_page_offset) if one is not None)
    end = at + stored.total_compressed_size
    plain = stored.compression == "UNCOMPRESSED"
    row = 0
    for batch in file.iter_batches(_ROWS, row_groups=[group], columns=[column.name]):
        pictures = _flat(batch.column(0))
        values = zip(pictures.field("path").to_pylist(), pictures.field("bytes"), strict=True)
        for i, (name, value) in enumerate(values, start=row):
            if not value.is_valid:
                continue  # a record without a picture
            if name is None:
                raise ImageFileError(
                    f"{path}: row group {group}, picture {i}: has no path, expected the name that records have for it"
                )
            content = value.as_py()
            start = _place_of(content, whole, at=at, end=end) if plain else -1
            at = start + len(content) if start >= 0 else at
            digest = hashlib.blake2b(content, digest_size=16).digest()
            place = {"offset": start, "group": group, "column": column.bytes, "row": i}
            yield Found(name, len(content), **place, digest=digest)
        row += len(pictures)


def _flat(column: Any) -> Any:
    """A column of structs; of lists their elements."""
    while not pa.types.is_struct(column.type):
        column = column.flatten()
    return column


def _place_of(content: bytes, whole: mmap.mmap, *, at: int, end: int) -> int:
    """Where the next value of a column starts in the file; -1 where it is not stored as it is.

    Parquet writes four bytes of length before each plain value.
    """
    start = whole.find(struct.pack("<I", len(content)) + content[:_SURE], at, end) + 4
    if start < 4 or whole[start : start + len(content)] != content:
        return -1
    return start
