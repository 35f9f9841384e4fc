"""Reading one side of a comparison: a mixture, found whole, or a file in LLaVA's own form, its faults counted."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import polars as pl
import pyarrow as pa

from mix665k.builders.sources.llava_json import LlavaRecord
from mix665k.mixtures.diff.comparison import Side
from mix665k.mixtures.diff.digests import Digests, digest, join
from mix665k.mixtures.diff.suspects import suspects
from mix665k.mixtures.export.export import WHOLE_NUMBER
from mix665k.mixtures.inspect.findings import Fault
from mix665k.mixtures.progress import Advance
from mix665k.mixtures.storage.integrity import require_sums, require_unique, require_valid, whole_rows
from mix665k.mixtures.storage.llava_json import Faults, decoded_records, fault_of, to_rows
from mix665k.mixtures.storage.parquet import ROWS_PER_GROUP
from mix665k.mixtures.storage.rows import from_dicts, to_dicts, uncollected
from mix665k.mixtures.storage.validate import RecordCheck
from mix665k.schemas.errors import MixtureError
from mix665k.schemas.manifest import Manifest, SourceEntry


class Contents(NamedTuple):
    """One side: how it is presented, and its records.

    They have two columns more: `at`, the place in the JSON list or among the mixture's rows, and `source`, which a
    mixture says and a file leaves open (null).
    """

    side: Side
    digests: Digests
    manifest: Manifest | None

    @property
    def records(self) -> pl.DataFrame:
        """A row for each record, as `Digests` has it."""
        return self.digests.records

    def with_records(self, records: pl.DataFrame) -> "Contents":
        """The same with other columns."""
        return self._replace(digests=self.digests._replace(records=records))


class _Batch(NamedTuple):
    """Some records of a file: their places in its list, and whether their ids are integers."""

    rows: pa.RecordBatch
    places: list[int]
    integer: list[bool]


def read_mixture(folder: Path, manifest: Manifest, prompts: Sequence[str], *, advance: Advance) -> Contents:
    """A mixture's records.

    Raises:
        MixtureError: when it is damaged.
    """
    require_sums(folder, manifest)
    whole = max(manifest.conversations, 1)
    parts, ids, names = [_nothing(prompts)], [pl.Series(dtype=pl.String)], []
    for entry in manifest.sources:
        pairs = 0
        for rows in _sound_rows(folder, entry):
            integer = _integers(rows, there=entry.name in manifest.integer_ids)
            parts.append(digest(rows, integer, prompts, provenance=True))
            ids.append(pl.Series(rows.column("id")))
            names.append(pl.Series([entry.name], dtype=pl.String).new_from_index(0, len(rows)))
            pairs += len(parts[-1].questions)
            advance(len(rows) / whole)
        if pairs != entry.pairs:
            raise MixtureError(
                f"{folder}: {entry.name}: {pairs:,} pairs, expected {entry.pairs:,} as manifest.json says; "
                "build the mixture again"
            )
    require_unique(folder, pl.concat(ids))
    sources = pl.concat([pl.Series(dtype=pl.String), *names])
    side = Side(str(folder), "mixture", manifest.name, len(sources), manifest.row_hash)
    return Contents(side, _placed(join(parts), range(len(sources)), sources), manifest)


def read_file(path: Path, prompts: Sequence[str], *, advance: Advance) -> Contents:
    """A file's records without faults; those with faults are counted.

    Raises:
        RawDataError: when the file is no JSON list.
    """
    faults, size = Faults(), max(path.stat().st_size, 1)
    records = decoded_records(path, progress=lambda num_bytes: advance(num_bytes / size))
    parts, places = [_nothing(prompts)], []
    with uncollected():
        for batch in _sound_records(records, faults):
            parts.append(digest(batch.rows, batch.integer, prompts, provenance=False))
            places += batch.places
    side = Side(str(path), "llava_json", path.name, len(places), faults=faults.count, fault_examples=faults.examples)
    sources = pl.Series([None], dtype=pl.String).new_from_index(0, len(places))
    return Contents(side, _placed(join(parts), places, sources), None)


def _nothing(prompts: Sequence[str]) -> Digests:
    return digest(from_dicts([]), [], prompts, provenance=False)


def _placed(digests: Digests, places: Sequence[int], sources: pl.Series) -> Digests:
    at = pl.Series(places, dtype=pl.Int64)
    return digests._replace(records=digests.records.with_columns(at=at, source=sources))


def _sound_rows(folder: Path, entry: SourceEntry) -> Iterator[pa.RecordBatch]:
    """A source's rows, batch by batch, found whole and without a fault."""
    check = RecordCheck()
    for shard in entry.shards:
        for rows in whole_rows(folder, shard):
            if doubtful := suspects(rows):
                require_valid(to_dicts(rows.take(pa.array(doubtful))), check, entry=entry, shard=shard)
            yield rows


def _sound_records(found: Iterable[tuple[int, LlavaRecord | Fault]], faults: Faults) -> Iterator[_Batch]:
    """A file's records without the faulty ones, which are counted."""
    check, stream = RecordCheck(), iter(found)
    while batch := list(islice(stream, ROWS_PER_GROUP)):
        records = [(place, one) for place, one in batch if not isinstance(one, Fault)]
        rows, bad = to_rows(records), {place: one for place, one in batch if isinstance(one, Fault)}
        for i in suspects(rows):
            if fault := fault_of(records[i][1], records[i][0], check):
                bad[records[i][0]] = fault
        for place in sorted(bad):
            faults.add(bad[place])
        sound = [i for i, (place, _) in enumerate(records) if place not in bad]
        records = [records[i] for i in sound]
        rows = rows.take(pa.array(sound, pa.int64())) if len(sound) < len(rows) else rows
        yield _Batch(rows, [place for place, _ in records], [isinstance(one.id, int) for _, one in records])


def _integers(rows: pa.RecordBatch, *, there: bool) -> list[bool]:
    """Which ids an export writes as integers."""
    if not there:
        return [False] * len(rows)
    return [WHOLE_NUMBER.match(text) is not None for text in rows.column("reference_id").to_pylist()]
