"""Writing a mixture of some records of another: what `mix select` and `mix contamination --drop-to` have in common.

What remains is every record as it was built, in its order. The funnel of each source gets one more step with what went
and why; lineage, licences and everything else that the manifest says of a source stay.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import msgspec
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from mix665k.mixtures.card.card import CARD, write_card
from mix665k.mixtures.mixture import Batch, Mixture
from mix665k.mixtures.storage.folder import clear_work, locked, sweep
from mix665k.mixtures.storage.integrity import hash_of_all
from mix665k.mixtures.storage.parquet import ROWS_PER_GROUP, ShardWriter
from mix665k.mixtures.terminal import Advance
from mix665k.schemas.addresses import require_local
from mix665k.schemas.errors import MixtureError
from mix665k.schemas.files import os_errors, write_whole
from mix665k.schemas.manifest import (
    CONTAMINATION,
    FORMAT,
    MANIFEST,
    MAX_EXAMPLES,
    SELECTION,
    STATE,
    Flow,
    FunnelStep,
    Kind,
    Manifest,
    Shard,
    SourceEntry,
    derived_marker,
    write_manifest,
)

_WHAT = {CONTAMINATION: "clean mixture", SELECTION: "selection"}


class Leaving(NamedTuple):
    """The records that go: `record`, their place in the mixture, and `reason`; what kind of loss that is at `step`."""

    why: pl.DataFrame
    step: str
    kind: Kind


def require_room(folder: Path, manifest: Manifest, out: Path, *, step: str, option: str) -> None:
    """A mixture can be written there: into a new folder, or over what the same command made of the same mixture.

    Raises:
        MixtureError: when the folder holds something else; `option` names it.
    """
    require_local(out, shown=f"{option} ")
    what = _WHAT[step]
    if out.exists() and (not out.is_dir() or out.samefile(folder)):
        raise MixtureError(f"{option} {out}: expected another folder")
    if not out.is_dir() or not any(out.iterdir()):
        return
    marker = derived_marker(out, step)
    if not marker.is_file():
        raise MixtureError(f"{option} {out}: not empty and no {what}; name another")
    if marker.read_text() != manifest.row_hash:
        raise MixtureError(f"{option} {out}: holds a {what} that was made of another one; name another")


def write_derived(mixture: Mixture, leaving: Leaving, out: Path, *, about: Manifest, advance: Advance) -> Manifest:
    """Write the mixture without some records into a folder; its manifest, written last, is `about` with new sources.

    Raises:
        MixtureError: when the mixture is damaged, the folder cannot be written, or another run is writing there.
    """
    with os_errors(MixtureError, out), locked(out):
        write_whole(derived_marker(out, leaving.step), mixture.require_manifest().row_hash)
        (out / MANIFEST).unlink(missing_ok=True)
        clear_work(out)
        return write_rest(mixture, leaving, out, about=about, advance=advance)


def write_rest(mixture: Mixture, leaving: Leaving, out: Path, *, about: Manifest, advance: Advance) -> Manifest:
    """The same for a folder that is prepared, and locked by the caller."""
    (out / "data").mkdir(exist_ok=True)
    entries = _write_sources(mixture, leaving, out, advance=advance)
    manifest = msgspec.structs.replace(
        about,
        format=FORMAT,
        conversations=sum(entry.conversations for entry in entries),
        pairs=sum(entry.pairs for entry in entries),
        row_hash=hash_of_all(entries),
        sources=entries,
    )
    sweep(out, manifest)
    write_card(out / CARD, manifest)
    write_manifest(out, manifest)
    return manifest


def _write_sources(mixture: Mixture, leaving: Leaving, out: Path, *, advance: Advance) -> list[SourceEntry]:
    work = out / STATE / "work"
    work.mkdir()
    entries = []
    whole = max(len(mixture), 1)
    for entry in mixture.entries():
        lost: list[pl.DataFrame] = []
        batches = mixture.batches(sources=[entry.name], advance=_scaled(advance, entry.conversations / whole))
        writer = ShardWriter(work, entry.name)
        for rows in full_groups(_kept(batches, leaving.why, lost)):
            writer.write(rows)
        shards = _move(writer.finish(), work, out)
        entries.append(_entry(entry, pl.concat(lost), shards, leaving=leaving))
    return entries


def _scaled(advance: Advance, share: float) -> Advance:
    """The progress of one part of the work, which is this share of it all."""
    return lambda part: advance(part * share)


def _kept(batches: Iterable[Batch], why: pl.DataFrame, lost: list[pl.DataFrame]) -> Iterator[pa.RecordBatch]:
    """The rows of a source that stay; those that go are added to `lost`, as `id`, `pairs` and `reason`."""
    lost.append(pl.DataFrame(schema={"id": pl.String, "pairs": pl.UInt32, "reason": pl.String}))
    for batch in batches:
        ids = pl.DataFrame({"id": pl.Series(batch.rows.column("id"), dtype=pl.String)})
        rows = ids.with_columns(record=pl.Series(batch.places, dtype=why.schema["record"]))
        rows = rows.with_columns(pairs=pl.Series(pc.list_value_length(batch.rows.column("origins"))).cast(pl.UInt32))
        rows = rows.join(why, on="record", how="left", maintain_order="left")
        lost.append(rows.drop_nulls("reason").select("id", "pairs", "reason"))
        yield batch.rows.filter(rows["reason"].is_null().to_arrow())


def full_groups(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """The same rows in groups as a build writes them, so that the shards do not depend on what was left out where."""
    held: list[pa.RecordBatch] = []
    num_rows = 0
    for batch in batches:
        held.append(batch)
        num_rows += len(batch)
        while num_rows >= ROWS_PER_GROUP:
            whole = pa.Table.from_batches(held).combine_chunks()
            yield _one(whole.slice(0, ROWS_PER_GROUP))
            held = whole.slice(ROWS_PER_GROUP).to_batches()
            num_rows -= ROWS_PER_GROUP
    if num_rows:
        yield _one(pa.Table.from_batches(held))


def _one(table: pa.Table) -> pa.RecordBatch:
    [batch] = table.combine_chunks().to_batches()
    return batch


def _move(shards: list[Shard], work: Path, out: Path) -> list[Shard]:
    for shard in shards:
        (work / Path(shard.path).name).replace(out / shard.path)
    return shards


def _entry(entry: SourceEntry, lost: pl.DataFrame, shards: list[Shard], *, leaving: Leaving) -> SourceEntry:
    """The source with one more step in its funnel."""
    by_reason = (
        lost.group_by("reason", maintain_order=True)
        .agg(pl.len(), pl.col("pairs").sum(), pl.col("id").head(MAX_EXAMPLES))
        .to_dicts()
    )
    conversations = Flow(
        entry.conversations,
        entry.conversations - lost.height,
        {row["reason"]: -row["len"] for row in by_reason},
    )
    pairs = Flow(
        entry.pairs,
        entry.pairs - int(lost["pairs"].sum()),
        {row["reason"]: -row["pairs"] for row in by_reason},
    )
    examples = {row["reason"]: row["id"] for row in by_reason}
    step = FunnelStep(
        leaving.step, conversations, pairs, kinds=dict.fromkeys(examples, leaving.kind), examples=examples
    )
    return msgspec.structs.replace(
        entry, funnel=[*entry.funnel, step], conversations=conversations.left, pairs=pairs.left, shards=shards
    )
