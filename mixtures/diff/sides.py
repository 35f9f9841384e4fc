"""Reading one side of a comparison: a mixture, found intact, or a file in LLaVA's own form, its faults counted."""

from collections.abc import Sequence
from typing import NamedTuple

import polars as pl

from mix665k.builders.llava_records import LLAVA_JSON
from mix665k.mixtures.diff.comparison import Side
from mix665k.mixtures.diff.digests import Digests, digest, join
from mix665k.mixtures.mixture import Mixture
from mix665k.mixtures.progress import Advance
from mix665k.mixtures.storage.llava_json import Faults
from mix665k.mixtures.storage.parquet import from_dicts
from mix665k.schemas.manifest import Manifest


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


def read_side(mixture: Mixture, prompts: Sequence[str], *, advance: Advance) -> Contents:
    """A mixture's records; of a JSON file those without faults, the others are counted.

    Raises:
        MixtureError: when the mixture is damaged.
        RawDataError: when the file is no JSON list.
    """
    faults, manifest = Faults(), mixture.manifest
    parts = [digest(from_dicts([]), [], prompts, provenance=False)]
    places: list[int] = []
    names = [pl.Series(dtype=pl.String)]
    for batch in mixture.batches(advance=advance, checked=True, faults=faults):
        parts.append(digest(batch.rows, batch.integer_ids, prompts, provenance=manifest is not None))
        places += batch.places
        source = batch.entry and batch.entry.name
        names.append(pl.Series([source], dtype=pl.String).new_from_index(0, len(batch.rows)))
    side = Side(
        path=str(mixture.path),
        kind="mixture" if manifest else LLAVA_JSON,
        name=mixture.name,
        records=len(places),
        row_hash=manifest.row_hash if manifest else None,
        faults=faults.count,
        fault_examples=faults.examples,
    )
    digests = join(parts)
    columns = digests.records.with_columns(at=pl.Series(places, dtype=pl.Int64), source=pl.concat(names))
    return Contents(side, digests._replace(records=columns), manifest)
