"""Whether a mixture is intact: every file, every row, every number, whatever else is wrong. Each shard is read once."""

from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl
import pyarrow as pa

from mix665k.mixtures.card.card import CARD
from mix665k.mixtures.card.front_matter import BESIDE
from mix665k.mixtures.engine.tasks import Report, Task
from mix665k.mixtures.inspect.fingerprint import Tally
from mix665k.mixtures.inspect.sample import Sampler
from mix665k.mixtures.parallel import Workers, gather
from mix665k.mixtures.storage.integrity import (
    file_faults,
    record_faults,
    repeated,
    row_faults,
    stray_shards,
    sum_faults,
    unequal,
)
from mix665k.mixtures.storage.parquet import Filling, count_pairs, read_shard
from mix665k.mixtures.storage.validate import RecordCheck
from mix665k.mixtures.terminal import Advance
from mix665k.mixtures.verify.counts import (
    Count,
    check_fingerprint,
    check_funnel,
    check_paper,
    check_positions,
    check_recipe,
)
from mix665k.mixtures.verify.held_out import check_held_out
from mix665k.mixtures.verify.rebuild import PRELOAD
from mix665k.mixtures.verify.verification import MAX_SHOWN, Check, Lines, Verification, checked
from mix665k.schemas.errors import MixtureError, os_reason
from mix665k.schemas.manifest import (
    HELD_OUT,
    MANIFEST,
    NEAR_DUPLICATES,
    Manifest,
    Shard,
    SourceEntry,
    checksum,
    load_manifest,
    require_folder,
)
from mix665k.schemas.shards import AGAIN


class ShardRequest(NamedTuple):
    """A shard to look through, and how many records to draw of it."""

    folder: Path
    entry: SourceEntry
    shard: Shard
    sample: int


class ShardReport(NamedTuple):
    """What was found in a shard; rows that cannot be read are missing in all but the faults."""

    source: str
    there: bool
    file: Lines
    content: Lines
    records: Lines
    rows: int
    pairs: int
    ids: list[pa.Array]
    tally: Tally
    drawn: list[dict[str, Any]]


def examine_shard(request: ShardRequest, report: Report) -> ShardReport:
    """Everything that is wrong with a shard."""
    folder, entry, shard, sample = request
    file, content, records, pairs = Lines(), Lines(), Lines(), 0
    found, sampler, check = Filling(), Sampler(sample), RecordCheck()
    ids: list[pa.Array] = []
    tally = Tally()
    there = (folder / shard.path).is_file()
    try:
        for line in file_faults(folder, shard) if there else ():
            file.add(line)
        for batch in read_shard(folder / shard.path) if there else ():
            found.add(batch)
            ids.append(batch.column("id"))
            sampler.offer_rows(entry.name, batch)
            pairs += count_pairs(batch)
            tally.add(batch)
            shown = MAX_SHOWN - records.count
            for why in record_faults(batch, check, entry=entry, shard=shard, max_explained=shown):
                records.add(why)
            report(0, len(batch))
        for line in row_faults(shard, found) if there else ():
            content.add(line)
    except MixtureError as error:
        content.add(str(error).removeprefix(f"{folder}/").removesuffix(f"; {AGAIN}"))
    except OSError as error:
        content.add(f"{shard.path}: {os_reason(error)}")
    drawn = [one.record for one in sampler.drawn(entry.name)]
    return ShardReport(
        entry.name,
        there=there,
        file=file,
        content=content,
        records=records,
        rows=found.rows,
        pairs=pairs,
        ids=ids,
        tally=tally,
        drawn=drawn,
    )


_NEED_MANIFEST = (
    "files",
    "file hashes",
    "row hashes",
    "records",
    "ids",
    "funnel",
    "recipe's counts",
    "positions",
    "paper's counts",
    "fingerprint",
)


class Examined(NamedTuple):
    """What was found, and for further checks the manifest and the records drawn of each source."""

    verification: Verification
    manifest: Manifest | None
    drawn: dict[str, list[dict[str, Any]]]


def verify_mixture(folder: Path, *, advance: Advance, jobs: Workers = 1) -> Verification:
    """Check all that a mixture tells of itself, in `jobs` processes.

    Raises:
        MixtureError: when there is no such folder.
    """
    return examine(folder, sample=0, jobs=jobs, advance=advance).verification


def examine(folder: Path, *, sample: int, jobs: Workers, advance: Advance) -> Examined:
    """The same, with `sample` records drawn of each source.

    Raises:
        MixtureError: when there is no such folder.
    """
    require_folder(folder)
    try:
        manifest = load_manifest(folder)
    except MixtureError as error:
        checks = [checked("manifest", [str(error)])]
        checks += [Check(name, "not checked", "needs the manifest") for name in _NEED_MANIFEST]
        return Examined(Verification(str(folder), name=None, row_hash=None, checks=checks), None, {})
    reports = _examine_shards(folder, manifest, sample=sample, jobs=jobs, advance=advance)
    counts = {entry.name: _count(one for one in reports if one.source == entry.name) for entry in manifest.sources}
    checks = [
        checked(
            "manifest",
            [*sum_faults(manifest), *_edit_faults(folder, manifest)],
            seen=f"{len(manifest.sources)} sources, {len(reports)} shards",
        ),
        checked("files", _file_faults(folder, manifest), seen="nothing missing, nothing else"),
        *_check_shards(reports),
        *([check_held_out(folder, manifest)] if manifest.held_out else []),
        check_funnel(manifest, counts),
        check_recipe(manifest, counts),
        check_positions(manifest, counts),
        check_paper(counts),
        check_fingerprint(_tallies(reports)),
    ]
    found = Verification(
        str(folder), name=manifest.name, row_hash=manifest.row_hash, checks=checks, overrides=manifest.overrides
    )
    return Examined(found, manifest, _drawn(reports, sample))


def _examine_shards(
    folder: Path, manifest: Manifest, *, sample: int, jobs: Workers, advance: Advance
) -> list[ShardReport]:
    """What was found in each shard, in the order of the manifest."""
    shards = [(entry, shard) for entry in manifest.sources for shard in entry.shards]
    tasks = {
        shard.path: Task(
            shard.path, partial(examine_shard, ShardRequest(folder, entry=entry, shard=shard, sample=sample)), folder
        )
        for entry, shard in sorted(shards, key=lambda one: one[1].bytes, reverse=True)
    }
    whole = max(manifest.conversations, 1)

    def heard(num_bytes: int, records: int) -> None:  # noqa: ARG001, see `tasks.Report`
        advance(records / whole)

    if jobs != 1:
        found = gather(list(tasks.values()), jobs=jobs, preload=PRELOAD, report=heard)
    else:
        found = {label: task.work(heard) for label, task in tasks.items()}
    return [found[path] for path in dict.fromkeys(shard.path for _, shard in shards)]


def _tallies(reports: Iterable[ShardReport]) -> dict[str, Tally]:
    """What was counted of each source."""
    found: dict[str, Tally] = {}
    for one in reports:
        found.setdefault(one.source, Tally()).merge(one.tally)
    return found


def _count(reports: Iterable[ShardReport]) -> Count:
    rows = pairs = 0
    for one in reports:
        rows, pairs = rows + one.rows, pairs + one.pairs
    return Count(rows, pairs)


def _edit_faults(folder: Path, manifest: Manifest) -> Iterator[str]:
    """Where a manifest was changed after it was written: without a checksum, as far as the files tell."""
    if manifest.checksum and manifest.checksum != checksum(manifest):
        yield f"{MANIFEST}: sources: not what the checksum says, it was changed after it was written; {AGAIN}"
    for shard in [shard for entry in manifest.sources for shard in entry.shards] if not manifest.checksum else ():
        if (folder / shard.path).is_file():
            yield from unequal(f"{shard.path}: bytes", (folder / shard.path).stat().st_size, shard.bytes)


def _file_faults(folder: Path, manifest: Manifest) -> Iterator[str]:
    """Files that are missing, and those that do not belong to a mixture; hidden ones beside `data` are the tools'."""
    named = {shard.path for entry in manifest.sources for shard in entry.shards}
    for path in [CARD, *sorted(named)]:
        if not (folder / path).is_file():
            yield f"{path}: no such file"
    yield from stray_shards(folder, manifest)
    known = named | {CARD, MANIFEST, "data"} | BESIDE | ({HELD_OUT} if manifest.held_out else set())
    if any(step.step == NEAR_DUPLICATES for entry in manifest.sources for step in entry.funnel):
        known.add(f"{NEAR_DUPLICATES}.jsonl")
    beside = [path for path in folder.iterdir() if not path.name.startswith(".")]
    inside = (folder / "data").iterdir() if (folder / "data").is_dir() else ()
    for path in sorted([*beside, *inside]):
        name = path.relative_to(folder).as_posix()
        if name not in known and path.suffix != ".parquet":
            yield f"{name}: no part of a mixture"


def _check_shards(reports: Sequence[ShardReport]) -> list[Check]:
    """Their files, rows, records and ids."""
    there = [one for one in reports if one.there]
    rows = sum(one.rows for one in there)
    chunks = [pl.Series(ids) for one in there for ids in one.ids]
    twice = repeated(pl.concat([pl.Series([], dtype=pl.String), *chunks]))
    return [
        checked("file hashes", _together(one.file for one in there), seen=f"{len(there)} of {len(reports)} shards"),
        checked("row hashes", _together(one.content for one in there), seen=f"{rows:,} rows"),
        checked("records", _together(one.records for one in there), seen=f"{rows:,} records, schema and rules"),
        checked("ids", (f"{identifier}: occurs more than once" for identifier in twice), seen="each once"),
    ]


def _together(parts: Iterable[Lines]) -> Lines:
    whole = Lines()
    for part in parts:
        whole.extend(part)
    return whole


def _drawn(reports: Sequence[ShardReport], count: int) -> dict[str, list[dict[str, Any]]]:
    """The records drawn of each source, out of those drawn of its shards."""
    sampler = Sampler(count)
    for one in reports:
        for row in one.drawn:
            sampler.offer(one.source, row["id"], row)
    return {one.source: [drawn.record for drawn in sampler.drawn(one.source)] for one in reports}
