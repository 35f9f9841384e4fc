"""Telling that a mixture is damaged: the manifest against itself, files against it, rows against the schema.

What yields texts finds every fault and names places below the mixture's folder; what raises stops at the first.
"""

import hashlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa

from mix665k.mixtures.storage.parquet import Filling, read_shard, shard_name, to_dicts
from mix665k.mixtures.storage.validate import RecordCheck, suspects, writes_boxes
from mix665k.schemas.errors import MixtureError
from mix665k.schemas.files import sha256_of
from mix665k.schemas.manifest import MANIFEST, Manifest, Shard, SourceEntry, funnel_fault
from mix665k.schemas.shards import AGAIN

if TYPE_CHECKING:
    import polars as pl


def require_sums(folder: Path, manifest: Manifest) -> None:
    """The manifest's numbers agree with each other, and it names every shard that is there.

    Raises:
        MixtureError: for the first that does not.
    """
    for faults in (funnel_faults(manifest), sum_faults(manifest)):
        _raise_first(folder, faults)
    _raise_first(folder, stray_shards(folder, manifest), mend=f"remove it or {AGAIN}")


def _raise_first(folder: Path, faults: Iterable[str], *, mend: str = AGAIN) -> None:
    for why in faults:
        raise MixtureError(f"{folder}/{why}; {mend}")


def funnel_faults(manifest: Manifest) -> Iterator[str]:
    """Sources whose funnel does not add up."""
    for entry in manifest.sources:
        if why := funnel_fault(entry):
            yield f"{MANIFEST}: {entry.name}: {why}"


def sum_faults(manifest: Manifest) -> Iterator[str]:
    """Sums of the manifest that are not those of its parts, and names that no build gives."""
    names = [entry.name for entry in manifest.sources]
    for entry in manifest.sources:
        if names.count(entry.name) > 1:
            yield f"{MANIFEST}: two sources are called {entry.name!r}"
        for i, shard in enumerate(entry.shards):
            expected = f"data/{shard_name(entry.name, i, len(entry.shards))}"
            if shard.path != expected:
                yield f"{MANIFEST}: {entry.name}: shard {shard.path!r}, expected {expected!r}"
        rows = sum(shard.rows for shard in entry.shards)
        yield from unequal(f"{MANIFEST}: {entry.name}: rows of its shards", rows, entry.conversations)
    for unit in ("conversations", "pairs"):
        found = sum(getattr(entry, unit) for entry in manifest.sources)
        yield from unequal(f"{MANIFEST}: {unit}", found, getattr(manifest, unit))
    yield from unequal(f"{MANIFEST}: row hash of all", hash_of_all(manifest.sources), manifest.row_hash)


def hash_of_all(entries: Iterable[SourceEntry]) -> str:
    """The row hash of a mixture, made of those of its shards."""
    hashes = "".join(f"{entry.name} {shard.row_hash}\n" for entry in entries for shard in entry.shards)
    return hashlib.sha256(hashes.encode()).hexdigest()


def stray_shards(folder: Path, manifest: Manifest) -> Iterator[str]:
    """Parquet files that the manifest does not name."""
    named = {shard.path for entry in manifest.sources for shard in entry.shards}
    for file in sorted((folder / "data").glob("*.parquet")):
        if (path := f"data/{file.name}") not in named:
            yield f"{path}: not in {MANIFEST}, but `datasets` would read it"


def unequal(what: str, found: int | str, expected: int | str) -> Iterator[str]:
    """One text if the manifest says something else than was found."""
    if found != expected:
        shown = [f"{value:,}" if isinstance(value, int) else f"{value[:16]}…" for value in (found, expected)]
        yield f"{what}: {shown[0]}, expected {shown[1]} as {MANIFEST} says"


def file_faults(folder: Path, shard: Shard) -> Iterator[str]:
    """Whether a shard's file is not the one that was built."""
    if not (folder / shard.path).is_file():
        yield f"{shard.path}: no such file, expected it as {MANIFEST} says"
    else:
        yield from unequal(f"{shard.path}: file hash", sha256_of(folder / shard.path), shard.sha256)


def require_file(folder: Path, shard: Shard) -> None:
    """A shard's file is the one that was built.

    Raises:
        MixtureError: when it is not.
    """
    _raise_first(folder, file_faults(folder, shard))


def row_faults(shard: Shard, found: Filling) -> Iterator[str]:
    """Whether a shard's rows are not those that were built."""
    yield from unequal(f"{shard.path}: rows", found.rows, shard.rows)
    if found.rows:
        yield from unequal(f"{shard.path}: row hash", found.row_hash, shard.row_hash)


def whole_rows(folder: Path, shard: Shard) -> Iterator[pa.RecordBatch]:
    """The rows of a shard, its file's hash checked before the first, their number and hash behind the last.

    Raises:
        MixtureError: when the shard is missing or not what the manifest says.
    """
    require_file(folder, shard)
    found = Filling()
    for rows in read_shard(folder / shard.path):
        found.add(rows)
        yield rows
    _raise_first(folder, row_faults(shard, found))


def record_faults(
    rows: pa.RecordBatch, check: RecordCheck, *, entry: SourceEntry, shard: Shard, max_explained: int | None = None
) -> Iterator[str]:
    """Rows that disagree with the schema, the rules of conversations or their source, each with its id.

    Only rows that the quick look at columns suspects are checked one by one. What the schema forbids is explained, at
    some cost, for the first `max_explained` of them; by default for all.
    """
    doubtful = suspects(rows, source=entry.name)
    found, boxes = 0, writes_boxes(entry.source)
    for row in to_dicts(rows.take(pa.array(doubtful))) if doubtful else ():
        why = check.row(row, boxes=boxes, explained=max_explained is None or found < max_explained)
        if why is None and (row["source"] != entry.name or not row["id"].startswith(f"{entry.name}/")):
            why = f"$.source: {row['source']!r}, expected {entry.name!r} there and in front of the id"
        if why:
            found += 1
            yield f"{shard.path}: {row['id']}: {why}"


def require_valid(rows: pa.RecordBatch, check: RecordCheck, *, entry: SourceEntry, shard: Shard) -> None:
    """Every row agrees with the schema, the rules of conversations and its source.

    Raises:
        MixtureError: for the first that does not, with its id.
    """
    for why in record_faults(rows, check, entry=entry, shard=shard):
        raise MixtureError(f"{why}; {AGAIN}")


def repeated(ids: "pl.Series") -> "pl.Series":
    """The ids that occur more than once, each once, in the order they come in."""
    return ids.filter(ids.is_duplicated()).unique(maintain_order=True)


def require_unique(folder: Path, ids: "pl.Series") -> None:
    """No id occurs twice.

    Raises:
        MixtureError: with the first that does.
    """
    twice = repeated(ids)
    if not twice.is_empty():
        what = f"{len(twice):,} ids occur twice, the first is {twice[0]!r}"
        raise MixtureError(f"{folder}: {what}, expected each once; {AGAIN}")
