"""Shards: the rows of a mixture as Parquet files, and a hash of rows that is the same whatever wrote them."""

import gc
import hashlib
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from mix665k.schemas.conversation import Conversation, in_order, values
from mix665k.schemas.errors import MixtureError
from mix665k.schemas.files import sha256_of
from mix665k.schemas.manifest import ROWS_PER_SHARD, Shard
from mix665k.schemas.shards import OPTIONAL, open_shard, with_optional

ROWS_PER_GROUP = 8_192
TURN = pa.struct([("from", pa.string()), ("value", pa.string())])
SCHEMA = pa.schema(
    [
        pa.field("id", pa.string(), nullable=False),
        pa.field("source", pa.string(), nullable=False),
        pa.field("image", pa.string()),
        *OPTIONAL,
        pa.field("conversations", pa.list_(TURN), nullable=False),
        pa.field("origins", pa.list_(pa.string()), nullable=False),
        pa.field("steps", pa.list_(pa.string()), nullable=False),
        pa.field("reference_id", pa.string(), nullable=False),
    ]
)
_BEFORE_FORMAT_3 = pa.schema([field for field in SCHEMA if field.name not in OPTIONAL.names])

SHARD_NAME = re.compile(r"\w+-\d{5}-of-\d{5}\.parquet")
"""The names that `shard_name` gives."""
DICTIONARIES = ["source", "conversations.list.element.from"]
"""The columns of few values, as Parquet names them."""


class RowHash:
    """A hash of rows that does not depend on how they were batched or written.

    Each column is hashed apart: text as its length and UTF-8 bytes, a list as its length and its items, a missing value
    as a zero in a byte per value. They are read from Arrow's buffers, as fast as SHA-256 itself; nothing is encoded.
    An optional column without any value is left out, so that rows of one image hash as they did before format 3.
    """

    def __init__(self) -> None:
        self._columns: dict[str, Any] = {}
        self._unused = set(OPTIONAL.names)

    def update(self, rows: pa.RecordBatch) -> None:
        """Add rows."""
        for name in SCHEMA.names:
            self._feed(name, rows.column(name))
        self._unused -= {name for name in self._unused if rows.column(name).null_count < len(rows)}

    def hexdigest(self) -> str:
        """64 hexadecimal digits."""
        whole = hashlib.sha256()
        for path in sorted(path for path in self._columns if not path.startswith(tuple(self._unused))):
            whole.update(f"{path}\0{self._columns[path].hexdigest()}\n".encode())
        return whole.hexdigest()

    def _feed(self, path: str, array: pa.Array) -> None:
        if pa.types.is_struct(array.type):
            for field, child in zip(array.type, array.flatten(), strict=True):
                self._feed(f"{path}.{field.name}", child)
            return
        offsets = offsets_of(array)
        self._digest(f"{path} there").update(np.asarray(array.is_valid()).astype(np.uint8).tobytes())
        self._digest(f"{path} length").update(np.diff(offsets).astype("<i8").tobytes())
        if pa.types.is_list(array.type):
            self._feed(f"{path}[]", array.values[offsets[0] : offsets[-1]])
        else:
            text = array.buffers()[2]
            self._digest(f"{path} text").update(memoryview(text)[offsets[0] : offsets[-1]] if text else b"")

    def _digest(self, path: str) -> Any:
        return self._columns.setdefault(path, hashlib.sha256())


def offsets_of(array: pa.Array) -> Any:
    """Where each value of a text or list array begins and ends, in bytes or items."""
    raw = array.buffers()[1]
    if raw is None:
        return np.zeros(1, dtype=np.int32)
    return np.frombuffer(raw, dtype=np.int32)[array.offset : array.offset + len(array) + 1]


class Named(NamedTuple):
    """A conversation under its id in the mixture, with the texts of its turns as they will stand there."""

    id: str
    conversation: Conversation
    turns: list[str]


def name(identifier: str, conversation: Conversation) -> Named:
    """The conversation under this id."""
    return Named(identifier, conversation, list(values(conversation)))


def to_rows(source: str, records: Sequence[Named]) -> pa.RecordBatch:
    """Conversations of one source as the columns of a mixture."""
    conversations = [record.conversation for record in records]
    turns = [value for record in records for value in record.turns]
    num_pairs = [len(conversation.pairs) for conversation in conversations]
    roles = pa.DictionaryArray.from_arrays(np.arange(len(turns), dtype=np.int8) % 2, pa.array(["human", "gpt"]))
    structs = pa.StructArray.from_arrays([roles.cast(pa.string()), pa.array(turns, pa.string())], fields=list(TURN))
    origins = [pair.origin for conversation in conversations for pair in conversation.pairs]
    steps = [step for conversation in conversations for step in conversation.history]
    columns = [
        pa.array([record.id for record in records], pa.string()),
        pa.array([source] * len(records), pa.string()),
        pa.array([conversation.image for conversation in conversations], pa.string()),
        pa.array([conversation.more_images or None for conversation in conversations], pa.list_(pa.string())),
        pa.array([conversation.system for conversation in conversations], pa.string()),
        lists([2 * n for n in num_pairs], structs),
        lists(num_pairs, pa.array(origins, pa.string())),
        lists([len(conversation.history) for conversation in conversations], pa.array(steps, pa.string())),
        pa.array([conversation.id for conversation in conversations], pa.string()),
    ]
    return pa.RecordBatch.from_arrays(columns, schema=SCHEMA)


def lists(lengths: Sequence[int], items: pa.Array) -> pa.ListArray:
    """Items as lists of these lengths."""
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)
    return pa.ListArray.from_arrays(pa.array(offsets), items)


def images_of(rows: pa.RecordBatch) -> pa.ListArray:
    """All images of each row, in reading order; empty for none."""
    image, more = rows.column("image"), rows.column("more_images")
    if more.null_count == len(rows):
        return lists(image.is_valid().to_numpy(zero_copy_only=False), image.drop_null())
    return pa.array(map(in_order, image.to_pylist(), more.to_pylist()), pa.list_(pa.string()))


def joined_images(rows: pa.RecordBatch) -> pa.Array:
    """All images of each row as one text, a line each: the path alone where there is one, null for none."""
    image, more = rows.column("image"), rows.column("more_images")
    return (
        image
        if more.null_count == len(rows)
        else pc.if_else(more.is_valid(), pc.binary_join(images_of(rows), "\n"), image)
    )


def count_pairs(rows: pa.RecordBatch) -> int:
    """The question-answer pairs of some rows; a turn without a counterpart is none."""
    return int(pc.sum(pc.divide(pc.list_value_length(rows.column("conversations")), 2)).as_py() or 0)


def shard_name(source: str, number: int, count: int) -> str:
    """The file name of a shard, which `datasets` finds by its beginning."""
    return f"{source}-{number:05d}-of-{count:05d}.parquet"


class Filling:
    """The rows of the shard that is being filled: their number and hash."""

    def __init__(self, *, rows_per_shard: int = ROWS_PER_SHARD) -> None:
        self.rows = 0
        self._rows_per_shard = rows_per_shard
        self._hash = RowHash()

    def add(self, rows: pa.RecordBatch) -> None:
        """Add rows, at most one row group at a time."""
        self._hash.update(rows)
        self.rows += len(rows)

    @property
    def full(self) -> bool:
        """Whether the next rows belong to another shard."""
        return self.rows >= self._rows_per_shard

    @property
    def row_hash(self) -> str:
        """The hash of the rows so far."""
        return self._hash.hexdigest()


class ShardWriter:
    """Writes batches of rows into shards of one source under temporary names.

    `finish` gives them their names, which hold their number.
    """

    def __init__(self, folder: Path, name: str, *, rows_per_shard: int = ROWS_PER_SHARD) -> None:
        self._folder = folder
        self._name = name
        self._rows_per_shard = rows_per_shard
        self._writer: pq.ParquetWriter | None = None
        self._parts: list[tuple[Path, int, str]] = []
        self._filling = Filling(rows_per_shard=rows_per_shard)

    def write(self, rows: pa.RecordBatch) -> None:
        """Append rows, at most one row group at a time."""
        if self._writer is None:
            part = self._part().absolute()  # pyarrow takes `a:b/c` for an address
            self._writer = pq.ParquetWriter(part, SCHEMA, compression="zstd", use_dictionary=DICTIONARIES)
        self._writer.write_batch(rows)
        self._filling.add(rows)
        if self._filling.full:
            self._close()

    def finish(self) -> list[Shard]:
        """Close and name the shards."""
        if self._writer is None and not self._parts:
            self.write(to_rows(self._name, []))
        self._close()
        shards = []
        for i, (part, rows, row_hash) in enumerate(self._parts):
            path = part.with_name(shard_name(self._name, i, len(self._parts)))
            part.replace(path)
            num_bytes, sha256 = path.stat().st_size, sha256_of(path)
            shards.append(Shard(f"data/{path.name}", rows=rows, bytes=num_bytes, sha256=sha256, row_hash=row_hash))
        return shards

    def _part(self) -> Path:
        return self._folder / f".{self._name}-{len(self._parts):05d}.part"

    def _close(self) -> None:
        if self._writer is None:
            return
        self._writer.close()
        self._parts.append((self._part(), self._filling.rows, self._filling.row_hash))
        self._writer, self._filling = None, Filling(rows_per_shard=self._rows_per_shard)


def read_shard(path: Path) -> Iterator[pa.RecordBatch]:
    """The rows of a shard, one row group at a time.

    Raises:
        MixtureError: when it is missing, damaged, not Parquet, or has other columns.
    """
    with open_shard(path) as file:
        if not any(file.schema_arrow.equals(schema) for schema in (SCHEMA, _BEFORE_FORMAT_3)):
            raise MixtureError(f"{path}: columns are {file.schema_arrow.names}, expected those of a mixture")
        for rows in file.iter_batches(batch_size=ROWS_PER_GROUP):
            rows.validate(full=True)  # texts that are no UTF-8 would fail wherever one is looked at
            yield with_optional(rows, schema=SCHEMA)


def to_dicts(rows: pa.RecordBatch) -> list[dict[str, Any]]:
    """Rows as `RecordBatch.to_pylist` gives them, in a third of its time: all turns are made first, then sliced."""
    conversations = rows.column("conversations")
    with uncollected():
        roles, values = (field.to_pylist() for field in conversations.flatten().flatten())
        turns = [{"from": role, "value": value} for role, value in zip(roles, values, strict=True)]
        offsets = conversations.offsets.to_pylist()
        columns = {name: rows.column(name).to_pylist() for name in SCHEMA.names if name != "conversations"}
        columns["conversations"] = [turns[a - offsets[0] : b - offsets[0]] for a, b in pairwise(offsets)]
        return [
            dict(zip(SCHEMA.names, row, strict=True)) for row in zip(*(columns[n] for n in SCHEMA.names), strict=True)
        ]


def from_dicts(rows: list[dict[str, Any]]) -> pa.RecordBatch:
    """Rows as the columns of a mixture."""
    return pa.RecordBatch.from_pylist(rows, schema=SCHEMA)


@contextmanager
def uncollected() -> Iterator[None]:
    """No garbage collection meanwhile: looking through so many new objects costs more than making them."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
