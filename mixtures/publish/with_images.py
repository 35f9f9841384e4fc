"""The records of a mixture with their images in them, in Parquet files of at most half a gigabyte or so.

An image stands with every record that names it, as people who load a data set expect; the Hub stores equal parts of
files once, and so that it finds them images are not compressed again.
"""

import io
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from mix665k.mixtures.card.front_matter import IMAGE, IMAGES
from mix665k.mixtures.export.pictures import missing_line, picture_bytes, read_picture
from mix665k.mixtures.mixture import Mixture
from mix665k.mixtures.storage.parquet import DICTIONARIES, SCHEMA, images_of, shard_name
from mix665k.schemas.errors import MixtureError, os_reason
from mix665k.schemas.images.folder import Images
from mix665k.schemas.images.places import images_at, require_place
from mix665k.schemas.manifest import SourceEntry

MAX_BYTES = 480_000_000
"""Of the images in one file; the Hub's viewer wants files of no more than about 500 MB."""
_ROWS_PER_GROUP = 100
"""As `datasets` writes images, so that a part of a file can be streamed."""


class Part(NamedTuple):
    """A file to be written: its path in the repository, and how many records of a source it has."""

    path: str
    rows: int


class Written(NamedTuple):
    """A file that was written, and the bytes of its rows in memory."""

    path: str
    file: Path
    memory_bytes: int


def plan_parts(mixture: Mixture, entries: Iterable[SourceEntry], images: Path) -> dict[str, list[Part]]:
    """The files of every source, so that each has its number of how many before one is written.

    Raises:
        MixtureError: with the number of images that are missing, and the first.
    """
    there = require_place(images, kind=MixtureError, option="--with-images")
    names = {entry.name: list(_names(mixture, entry)) for entry in entries}
    sizes = picture_bytes(there, (name for each in names.values() for of_record in each for name in of_record))
    if line := missing_line(sizes, option=f"--with-images {images}"):
        raise MixtureError(line)
    found = {}
    for source, each in names.items():
        cuts = _cuts([sum(sizes[name] for name in of_record) for of_record in each])
        found[source] = [Part(f"{IMAGES}/{shard_name(source, i, len(cuts))}", rows) for i, rows in enumerate(cuts)]
    return found


def write_parts(
    mixture: Mixture, entry: SourceEntry, parts: list[Part], *, images: Path, out: Path
) -> Iterator[Written]:
    """Write the files of a source below a folder, each when it is asked for.

    Raises:
        MixtureError: for a file that is no picture, or when there is no room.
    """
    rows, there = _Rows(batch.rows for batch in mixture.batches(sources=[entry.name])), images_at(images)
    for part in parts:
        file = out / part.path
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            memory_bytes = _write_part(file, rows=rows, count=part.rows, images=there)
        except OSError as error:
            raise MixtureError(
                f"{error.filename or file}: {os_reason(error)}; images are put together there, make room"
            ) from None
        yield Written(part.path, file, memory_bytes)


def _write_part(file: Path, *, rows: "_Rows", count: int, images: Images) -> int:
    """Write the next rows with their images; gives their bytes in memory."""
    compression = {name: "none" if name.endswith(".bytes") else "zstd" for name in _leaves()}
    path, memory_bytes = file.absolute(), 0
    with pq.ParquetWriter(path, _schema(), compression=compression, use_dictionary=DICTIONARIES) as writer:
        while count:
            group = _with_images(rows.take(min(count, _ROWS_PER_GROUP)), images)
            writer.write_batch(group)
            count, memory_bytes = count - len(group), memory_bytes + group.nbytes
    return memory_bytes


class _Rows:
    """The rows of a source, handed out some at a time."""

    def __init__(self, batches: Iterator[pa.RecordBatch]) -> None:
        self._batches = batches
        self._left = pa.RecordBatch.from_pylist([], schema=SCHEMA)

    def take(self, most: int) -> pa.RecordBatch:
        """The next rows, one at least."""
        while not len(self._left):
            self._left = next(self._batches)
        rows, self._left = self._left.slice(0, most), self._left.slice(most)
        return rows


def _with_images(rows: pa.RecordBatch, images: Images) -> pa.RecordBatch:
    """Rows whose images are the pictures and their paths."""

    def pictured(name: str) -> dict[str, Any]:
        return {"bytes": read_picture(images, name).content, "path": name}

    first = [name and pictured(name) for name in rows.column("image").to_pylist()]
    others = [names and [*map(pictured, names)] for names in rows.column("more_images").to_pylist()]
    found = {"image": pa.array(first, IMAGE), "more_images": pa.array(others, pa.list_(IMAGE))}
    columns = [found.get(name, rows.column(name)) for name in SCHEMA.names]
    return pa.RecordBatch.from_arrays(columns, schema=_schema())


def _names(mixture: Mixture, entry: SourceEntry) -> Iterator[list[str]]:
    for batch in mixture.batches(sources=[entry.name]):
        yield from images_of(batch.rows).to_pylist()


def _cuts(sizes: list[int]) -> list[int]:
    """How many records go into each file; a file that is full with one image holds one record."""
    cuts, filled = [0], 0
    for size in sizes:
        if cuts[-1] and filled + size > MAX_BYTES:
            cuts.append(0)
            filled = 0
        cuts[-1] += 1
        filled += size
    return cuts


@cache
def _schema() -> pa.Schema:
    """The columns, with what tells `datasets` that two of them hold images."""
    import datasets

    columns = datasets.Features.from_arrow_schema(SCHEMA)
    columns["image"] = datasets.Image()
    columns["more_images"] = datasets.List(datasets.Image())
    found: pa.Schema = columns.arrow_schema
    return found


def _leaves() -> list[str]:
    """The columns as Parquet names them."""
    file = io.BytesIO()
    pq.write_table(_schema().empty_table(), file)
    columns = pq.read_metadata(file).schema
    return [columns.column(i).path for i in range(len(columns))]
