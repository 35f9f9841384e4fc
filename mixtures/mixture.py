"""A mixture to read, whatever it is stored as: the one place that decides, and the one loop over its rows."""

import os
from collections.abc import Collection, Iterator
from functools import cached_property
from pathlib import Path

import polars as pl
import pyarrow as pa

from mix665k.mixtures.storage.integrity import require_sums, require_unique, require_valid, whole_rows
from mix665k.mixtures.storage.llava_json import WHOLE_NUMBER, Faults, read_rows
from mix665k.mixtures.storage.parquet import count_pairs, to_dicts
from mix665k.mixtures.storage.prompt_kinds import SOURCES, told_sources
from mix665k.mixtures.storage.validate import RecordCheck
from mix665k.mixtures.terminal import Advance, no_progress
from mix665k.schemas.addresses import address_of
from mix665k.schemas.conversation import Record, Turn
from mix665k.schemas.errors import MixtureError, did_you_mean
from mix665k.schemas.files import os_errors, regular_file
from mix665k.schemas.manifest import MANIFEST, Manifest, SourceEntry, load_manifest
from mix665k.schemas.shards import AGAIN
from mix665k.schemas.staging import mixture_here

EXPECTED = "expected a mixture or a JSON file in LLaVA's own form"


class Batch:
    """Some rows of a mixture, at most a row group's worth.

    `rows` has the columns of a shard (`storage.parquet.SCHEMA`). `places` numbers them: in the whole mixture, or in the
    list of a JSON file. `entry` is the source they are of; None for a JSON file, whose rows call their source `file`.
    """

    def __init__(
        self, rows: pa.RecordBatch, *, places: range | list[int], entry: SourceEntry | None, integers: bool | list[bool]
    ) -> None:
        self.rows = rows
        self.places = places
        self.entry = entry
        self._integers = integers

    @cached_property
    def sources(self) -> pl.Series:
        """The source of each row; for a JSON file as image folder and prompt tell it."""
        if self.entry is None:
            return told_sources(self.rows)
        return pl.Series([self.entry.name], dtype=pl.String).new_from_index(0, len(self.rows))

    @property
    def integer_ids(self) -> list[bool]:
        """Whether LLaVA's own form has the id of a row as an integer, for each row."""
        if self._integers is True:
            return [WHOLE_NUMBER.match(text) is not None for text in self.rows.column("reference_id").to_pylist()]
        return self._integers or [False] * len(self.rows)

    def of(self, names: Collection[str]) -> "Batch":
        """The rows of a JSON file that are of these sources."""
        kept = self.sources.is_in(list(names)).arg_true().to_list()
        if len(kept) == len(self.rows):
            return self
        integers = self.integer_ids
        places, kept_integers = [self.places[i] for i in kept], [integers[i] for i in kept]
        return Batch(self.rows.take(pa.array(kept, pa.int64())), places=places, entry=None, integers=kept_integers)


class Mixture:
    """A mixture: the folder that `mix build` writes, or a file in LLaVA's own JSON form.

    `path` is the folder or the file, `name` what the recipe calls the mixture (a file: its file name). `manifest` says
    how the mixture was built; it is None for a JSON file.
    """

    def __init__(self, path: Path, manifest: Manifest | None) -> None:
        self.path = path
        self.manifest = manifest
        self.name = manifest.name if manifest else path.name
        self._counts: dict[str, int] | None = None

    @classmethod
    def open(cls, target: str | os.PathLike[str]) -> "Mixture":
        """The mixture in a folder, in a JSON file of LLaVA's own form, or on the Hugging Face Hub.

        On the Hub it is `hf://datasets/OWNER/NAME`, perhaps with `@REVISION` behind, or such a JSON file in there,
        `hf://datasets/OWNER/NAME/FILE.json`. It is downloaded into the library's cache with the library's token; what
        is at another address, such as `s3://bucket/mixture`, into this package's cache. Rows are read, and checked,
        when they are asked for.

        Raises:
            MixtureError: when there is no such thing, or a folder holds no complete mixture.
            HubError: when the Hub cannot be reached or refuses.
        """
        text = os.fspath(target)
        path = mixture_here(address) if (address := address_of(text)) else Path(text)
        if not path.exists():
            raise MixtureError(f"{path}: no such file or folder, {EXPECTED}")
        with os_errors(MixtureError, path):
            return cls(path, load_manifest(path) if regular_file(path).is_dir() else None)

    def __repr__(self) -> str:
        """The mixture by its path."""
        return f"Mixture.open({str(self.path)!r})"

    def __len__(self) -> int:
        """The number of records; to know it, a JSON file is read once."""
        return self.manifest.conversations if self.manifest else sum(self._counted().values())

    @property
    def sources(self) -> list[str]:
        """The names of its sources, in order; to know them, a JSON file is read once."""
        return [entry.name for entry in self.manifest.sources] if self.manifest else list(self._counted())

    def require_manifest(self) -> Manifest:
        """The manifest of a mixture that must be a folder.

        Raises:
            MixtureError: for a JSON file.
        """
        if self.manifest is None:
            raise MixtureError(f"{self.path}: is a file, expected the folder of a mixture")
        return self.manifest

    def entries(self, sources: Collection[str] = ()) -> list[SourceEntry]:
        """What the manifest says of these sources, or of all, in its order.

        Raises:
            MixtureError: for a name that the mixture does not have, and for a JSON file.
        """
        found = self.require_manifest().sources
        self._require_known(sources, [entry.name for entry in found])
        return [entry for entry in found if not sources or entry.name in sources]

    def records(self, *, sources: Collection[str] = ()) -> Iterator[Record]:
        """The records of these sources, or of all, in order, each checked against the schema.

        A record of a JSON file has its place there as `id`, such as `$[17]`, and as `source` what image folder and
        prompt tell.

        Raises:
            MixtureError: when the mixture is damaged or has no such source; for a JSON file whose records have faults
                after the last sound one.
            RawDataError: when a JSON file is no list.
        """
        for batch in self.batches(sources=sources, checked=True):
            names = batch.sources
            for i, row in enumerate(to_dicts(batch.rows)):
                turns = [Turn(turn["from"], turn["value"]) for turn in row.pop("conversations")]
                if batch.entry is None:
                    row |= {"id": f"$[{batch.places[i]}]", "source": names[i]}
                yield Record(**row, conversations=turns)

    def batches(
        self,
        *,
        sources: Collection[str] = (),
        advance: Advance = no_progress,
        checked: bool = False,
        faults: Faults | None = None,
    ) -> Iterator[Batch]:
        """The rows of these sources, or of all, in order.

        Of a folder the manifest's sums are checked first, the hash of each shard's file before its rows, and after them
        their number, their hash, the pairs of each source, and that no id occurs twice. With `checked` every record
        must agree with the schema and the rules of conversations; in a JSON file those that do not are left out and
        added to `faults`, or, without it, are an error after the last row. `advance` is called with the share of the
        work done since its last call: of the records in a folder, of the bytes of a file.

        Raises:
            MixtureError: when the mixture is damaged or has no such source (for a JSON file: after the last row).
            RawDataError: when a JSON file is no list.
        """
        if self.manifest is None:
            return self._of_file(sources, advance=advance, checked=checked, faults=faults)
        return self._of_folder(self.entries(sources), advance=advance, checked=checked)

    def _of_folder(self, entries: list[SourceEntry], *, advance: Advance, checked: bool) -> Iterator[Batch]:
        manifest, check = self.require_manifest(), RecordCheck()
        require_sums(self.path, manifest)
        whole = max(sum(entry.conversations for entry in entries), 1)
        ids = [pl.Series(dtype=pl.String)]
        for entry in entries:
            integers = entry.name in manifest.integer_ids
            place, pairs = self._first_row(entry), 0
            for shard in entry.shards:
                for rows in whole_rows(self.path, shard):
                    if checked:
                        require_valid(rows, check, entry=entry, shard=shard)
                    ids.append(pl.Series(rows.column("id")))
                    pairs += count_pairs(rows)
                    yield Batch(rows, places=range(place, place + len(rows)), entry=entry, integers=integers)
                    place += len(rows)
                    advance(len(rows) / whole)
            if pairs != entry.pairs:
                raise MixtureError(
                    f"{self.path}: {entry.name}: {pairs:,} pairs, expected {entry.pairs:,} as {MANIFEST} says; {AGAIN}"
                )
        require_unique(self.path, pl.concat(ids))

    def _first_row(self, entry: SourceEntry) -> int:
        """The number of a source's first row in the whole mixture."""
        names, counts = self.sources, [one.conversations for one in self.require_manifest().sources]
        return sum(counts[: names.index(entry.name)])

    def _of_file(
        self, sources: Collection[str], *, advance: Advance, checked: bool, faults: Faults | None
    ) -> Iterator[Batch]:
        found = Faults() if faults is None else faults
        size = max(self.path.stat().st_size, 1)
        seen: set[str] = set()
        rows = read_rows(self.path, found, checked=checked, progress=lambda num_bytes: advance(num_bytes / size))
        for one in rows:
            batch = Batch(one.rows, places=one.places, entry=None, integers=one.integer_ids)
            if sources:
                seen.update(batch.sources)
                batch = batch.of(sources)
            yield batch
        self._require_known(sources, [name for name in SOURCES if name in seen])
        if faults is None:
            found.require_none(self.path)

    def _require_known(self, names: Collection[str], known: list[str]) -> None:
        for name in names:
            if name not in known:
                raise MixtureError(f"--source {name}: {self.path} has no such source{did_you_mean(name, known)}")

    def _counted(self) -> dict[str, int]:
        """The records of each source of a JSON file."""
        if self._counts is None:
            counts: dict[str, int] = {}
            for batch in self.batches(checked=True, faults=Faults()):
                for name, count in batch.sources.value_counts().rows():
                    counts[name] = counts.get(name, 0) + count
            self._counts = {name: counts[name] for name in SOURCES if name in counts}
        return self._counts
