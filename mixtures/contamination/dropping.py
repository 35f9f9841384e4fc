"""Writing a mixture without the records that overlap with evaluation sets.

A contaminated record is dropped completely. Its other questions are about the same image, the prompt and the image
token are in the first question, and a dialogue with a gap reads wrongly. Cutting single questions was not done for that
reason. By default a shared question about a shared image (`pairs`) is what makes a record go: an image alone gives no
answer away, and sets on COCO share most of their images with the mixture. What remains is every record as it was built.
"""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from mix665k.mixtures.build.run import clear_work, locked, sweep
from mix665k.mixtures.card.card import CARD, write_card
from mix665k.mixtures.contamination.findings import Dropped, Kind
from mix665k.mixtures.contamination.summary import Touched
from mix665k.mixtures.mixture import Batch, Mixture
from mix665k.mixtures.storage.integrity import hash_of_all
from mix665k.mixtures.storage.parquet import ROWS_PER_GROUP, ShardWriter
from mix665k.mixtures.terminal import Advance
from mix665k.schemas.errors import MixtureError
from mix665k.schemas.files import os_errors, write_whole
from mix665k.schemas.manifest import (
    CLEANED,
    CONTAMINATION,
    MANIFEST,
    MAX_EXAMPLES,
    STATE,
    Flow,
    FunnelStep,
    Manifest,
    Shard,
    SourceEntry,
    write_manifest,
)

_HOW = {Kind.IMAGES: "image", Kind.PAIRS: "pair", Kind.TEXT: "text", Kind.CONTENT: "content"}


class Drop(NamedTuple):
    """What to drop and where to write the rest; `about` is what the manifest tells of it."""

    out: Path
    by: tuple[Kind, ...]
    about: dict[str, Any]


def require_room(folder: Path, manifest: Manifest, out: Path) -> None:
    """The clean mixture can be written: into a new folder, or over an earlier one of the same mixture.

    Raises:
        MixtureError: when the folder holds something else.
    """
    if out.exists() and (not out.is_dir() or out.samefile(folder)):
        raise MixtureError(f"--drop-to {out}: expected another folder")
    if not out.is_dir() or not any(out.iterdir()):
        return
    marker = out / CLEANED
    if not marker.is_file():
        raise MixtureError(f"--drop-to {out}: not empty and no clean mixture; name another")
    if marker.read_text() != manifest.row_hash:
        raise MixtureError(f"--drop-to {out}: holds a clean mixture that was made of another one; name another")


def reasons(found: Sequence[Touched], by: Sequence[Kind]) -> pl.DataFrame:
    """`record` and `reason` of each record to drop: the first set that it overlaps with, and how."""
    frames = [
        pl.DataFrame({"record": one.records(kind)}).with_columns(reason=pl.lit(f"in {one.set.name} by {_HOW[kind]}"))
        for one in found
        for kind in by
    ]
    return pl.concat(frames).unique("record", keep="first", maintain_order=True).sort("record")


def write_clean(mixture: Mixture, why: pl.DataFrame, drop: Drop, *, advance: Advance) -> Dropped:
    """Write the mixture without these records; the manifest comes last.

    Raises:
        MixtureError: when the mixture is damaged, the folder cannot be written, or another run is writing there.
    """
    out, manifest = drop.out, mixture.require_manifest()
    with os_errors(MixtureError, out), locked(out):
        write_whole(out / CLEANED, manifest.row_hash)
        (out / MANIFEST).unlink(missing_ok=True)
        clear_work(out)
        (out / "data").mkdir(exist_ok=True)
        entries = _write_sources(mixture, why, out, advance=advance)
        clean = _manifest(manifest, entries, drop)
        sweep(out, clean)
        write_card(out / CARD, clean)
        write_manifest(out, clean)
    return Dropped(
        path=str(out),
        row_hash=clean.row_hash,
        by=list(drop.by),
        records=manifest.conversations - clean.conversations,
        pairs=manifest.pairs - clean.pairs,
        reasons=dict(why.group_by("reason", maintain_order=True).len().sort("len", "reason", descending=True).rows()),
    )


def _write_sources(mixture: Mixture, why: pl.DataFrame, out: Path, *, advance: Advance) -> list[SourceEntry]:
    work = out / STATE / "work"
    work.mkdir()
    entries = []
    whole = max(len(mixture), 1)
    for entry in mixture.entries():
        lost: list[pl.DataFrame] = []
        batches = mixture.batches(sources=[entry.name], advance=_scaled(advance, entry.conversations / whole))
        writer = ShardWriter(work, entry.name)
        for rows in _full_groups(_kept(batches, why, lost)):
            writer.write(rows)
        entries.append(_entry(entry, pl.concat(lost), _move(writer.finish(), work, out)))
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


def _full_groups(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """The same rows in groups as a build writes them, so that the shards do not depend on what was dropped where."""
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


def _entry(entry: SourceEntry, lost: pl.DataFrame, shards: list[Shard]) -> SourceEntry:
    """The source with one more step in its funnel."""
    by_reason = lost.group_by("reason", maintain_order=True).agg(pl.len(), pl.col("pairs").sum(), pl.col("id"))
    conversations = Flow(
        entry.conversations,
        entry.conversations - lost.height,
        {row["reason"]: -row["len"] for row in by_reason.to_dicts()},
    )
    pairs = Flow(
        entry.pairs,
        entry.pairs - int(lost["pairs"].sum()),
        {row["reason"]: -row["pairs"] for row in by_reason.to_dicts()},
    )
    examples = {row["reason"]: row["id"][:MAX_EXAMPLES] for row in by_reason.to_dicts()}
    return msgspec.structs.replace(
        entry,
        funnel=[
            *entry.funnel,
            FunnelStep(CONTAMINATION, conversations, pairs, kinds=dict.fromkeys(examples, "lost"), examples=examples),
        ],
        conversations=conversations.left,
        pairs=pairs.left,
        shards=shards,
    )


def _manifest(manifest: Manifest, entries: list[SourceEntry], drop: Drop) -> Manifest:
    done = [
        *manifest.overrides.get(CONTAMINATION, []),
        {"made_from": manifest.row_hash, "drop_by": list(drop.by), **drop.about},
    ]
    return msgspec.structs.replace(
        manifest,
        overrides={**manifest.overrides, CONTAMINATION: done},
        conversations=sum(entry.conversations for entry in entries),
        pairs=sum(entry.pairs for entry in entries),
        row_hash=hash_of_all(entries),
        sources=entries,
    )
