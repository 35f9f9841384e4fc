"""Telling that a mixture is damaged: the manifest against itself, files against it, rows against the schema."""

import hashlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa

from mixtures.check import RecordCheck
from mixtures.store import RowHash, file_hash, read_shard
from schemas.errors import MixtureError
from schemas.manifest import MANIFEST, Manifest, Shard, SourceEntry, funnel_fault

_AGAIN = "build the mixture again"


def require_sums(folder: Path, manifest: Manifest) -> None:
    """The manifest's numbers agree with each other, and it names every shard that is there.

    Raises:
        MixtureError: for the first that does not.
    """
    path = folder / MANIFEST
    for entry in manifest.sources:
        if why := funnel_fault(entry):
            raise MixtureError(f"{path}: {entry.name}: {why}; {_AGAIN}")
        rows = sum(shard.rows for shard in entry.shards)
        _require_equal(f"{path}: {entry.name}: rows of its shards", rows, entry.conversations)
    _require_equal(f"{path}: conversations", sum(e.conversations for e in manifest.sources), manifest.conversations)
    _require_equal(f"{path}: pairs", sum(entry.pairs for entry in manifest.sources), manifest.pairs)
    shards = [(entry.name, shard) for entry in manifest.sources for shard in entry.shards]
    hashes = "".join(f"{name} {shard.row_hash}\n" for name, shard in shards)
    _require_equal(f"{path}: row hash of all", hashlib.sha256(hashes.encode()).hexdigest(), manifest.row_hash)
    named = {shard.path for _, shard in shards}
    for file in sorted((folder / "data").glob("*.parquet")):
        if f"data/{file.name}" not in named:
            raise MixtureError(f"{file}: not in {MANIFEST}, but `datasets` would read it; remove it or {_AGAIN}")


def _require_equal(what: str, found: int | str, expected: int | str) -> None:
    if found != expected:
        shown = [f"{value:,}" if isinstance(value, int) else f"{value[:16]}…" for value in (found, expected)]
        raise MixtureError(f"{what}: {shown[0]}, expected {shown[1]} as {MANIFEST} says; {_AGAIN}")


def whole_rows(folder: Path, shard: Shard) -> Iterator[pa.RecordBatch]:
    """The rows of a shard, its file's hash checked before the first, their number and hash behind the last.

    Raises:
        MixtureError: when the shard is missing or not what the manifest says.
    """
    path = folder / shard.path
    if not path.is_file():
        raise MixtureError(f"{path}: no such file, expected it as {MANIFEST} says; {_AGAIN}")
    _require_equal(f"{path}: file hash", file_hash(path), shard.sha256)
    row_hash, count = RowHash(), 0
    for rows in read_shard(path):
        row_hash.update(rows)
        count += len(rows)
        yield rows
    _require_equal(f"{path}: rows", count, shard.rows)
    if count:
        _require_equal(f"{path}: row hash", row_hash.hexdigest(), shard.row_hash)


def require_valid(rows: Iterable[dict[str, Any]], check: RecordCheck, *, entry: SourceEntry, shard: Shard) -> None:
    """Every row agrees with the schema, the rules of conversations and its source.

    Raises:
        MixtureError: for the first that does not, with its id.
    """
    for row in rows:
        why = check.row(row)
        if why is None and (row["source"] != entry.name or not row["id"].startswith(f"{entry.name}/")):
            why = f"$.source: {row['source']!r}, expected {entry.name!r} there and in front of the id"
        if why is not None:
            raise MixtureError(f"{shard.path}: {row['id']}: {why}; {_AGAIN}")


def require_unique(folder: Path, ids: pl.Series) -> None:
    """No id occurs twice.

    Raises:
        MixtureError: with the first that does.
    """
    repeated = ids.filter(ids.is_duplicated())
    if not repeated.is_empty():
        what = f"{repeated.n_unique():,} ids occur twice, the first is {repeated[0]!r}"
        raise MixtureError(f"{folder}: {what}, expected each once; {_AGAIN}")
