"""Building one source, in a process of its own."""

import gc
import os
import shutil
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import msgspec
import pyarrow as pa

from mix665k.builders.bind import BoundSource
from mix665k.builders.pipeline import Run
from mix665k.mixtures.build.assign_ids import IMAGES, counted, named, require_images, valid, with_images
from mix665k.mixtures.build.plan import Options, params_of
from mix665k.mixtures.build.reuse_key import hash_inputs, key_of
from mix665k.mixtures.parallel import Report
from mix665k.mixtures.storage.parquet import ROWS_PER_GROUP, ShardWriter, to_rows
from mix665k.schemas.conversation import Conversation
from mix665k.schemas.errors import MixtureError
from mix665k.schemas.files import sha256_of, write_whole
from mix665k.schemas.manifest import NOT_FOUND, STATE, FunnelStep, InputFile, Shard, SourceEntry, funnel_fault


class Built(NamedTuple):
    """A finished source, and whether it was there already."""

    entry: SourceEntry
    reused: bool


def build_source(bound: BoundSource, options: Options, report: Report) -> Built:
    """Read, build, check and store one source, or find it built already.

    Raises:
        UserError: for whatever the user can mend.
    """
    gc.disable()  # millions of records without cycles: collecting them costs more than building them
    label = bound.block.label
    inputs = hash_inputs(bound, options.raw)
    key = key_of(bound, inputs, options)
    if options.images is None and (entry := _finished(options.out, label, key)):
        report(sum(file.bytes for file in inputs), entry.conversations)
        return Built(msgspec.structs.replace(entry, expect=bound.block.expect), reused=True)
    work = options.out / STATE / f"{label}.{os.getpid()}"
    work.mkdir(parents=True, exist_ok=True)
    run = begin(bound, options, report)
    writer = ShardWriter(work, label, rows_per_shard=options.rows_per_shard)
    for rows in finished_rows(run, label, options, is_there=_looks_below(options.images)):
        writer.write(rows)
        report(0, len(rows))
    funnel = run.funnel()
    if options.images and options.on_missing_image == "fail":
        require_images(next(step for step in funnel if step.step == IMAGES), label=label, images=options.images)
    entry = make_entry(bound, key, inputs, funnel, _move(writer.finish(), work, options.out))
    if why := funnel_fault(entry):
        raise MixtureError(f"{label}: {why}")
    write_whole(options.out / STATE / f"{label}.json", msgspec.json.encode(entry))
    return Built(entry, reused=False)


def begin(bound: BoundSource, options: Options, report: Report) -> Run:
    """A run of a source and its steps; nothing is read yet."""
    return Run(bound, on_bad_record=options.on_bad_record, progress=lambda n: report(n, 0), limit=options.limit)


def finished_rows(
    run: Run, label: str, options: Options, *, is_there: Callable[[Conversation], bool] | None
) -> Iterator[pa.RecordBatch]:
    """The conversations of a run through the last steps, as the rows of a mixture; images are looked for if asked."""
    stream = run.conversations
    if is_there is not None:
        tally = run.add(IMAGES)
        stream = tally.leaving(with_images(tally.entering(stream), tally, is_there=is_there))
    tally = run.add("check")
    records = named(tally.entering(stream), label=label)
    records = counted(valid(records, tally, label=label, on_bad_record=options.on_bad_record), tally)
    while batch := list(islice(records, min(ROWS_PER_GROUP, options.rows_per_shard))):
        yield to_rows(label, batch)


def _looks_below(images: Path | None) -> Callable[[Conversation], bool] | None:
    """Whether a conversation's image lies below this folder."""
    return None if images is None else lambda conversation: (images / str(conversation.image)).is_file()


def _finished(out: Path, label: str, key: str) -> SourceEntry | None:
    """The entry of a source built under this key whose shards are whole."""
    try:
        entry = msgspec.json.decode((out / STATE / f"{label}.json").read_bytes(), type=SourceEntry)
    except (FileNotFoundError, msgspec.DecodeError):
        return None
    whole = all((out / s.path).is_file() and sha256_of(out / s.path) == s.sha256 for s in entry.shards)
    return entry if entry.key == key and whole else None


def _move(shards: list[Shard], work: Path, out: Path) -> list[Shard]:
    """Put finished shards in place of those of an earlier build."""
    for shard in shards:
        (work / Path(shard.path).name).replace(out / shard.path)
    shutil.rmtree(work)
    return shards


def make_entry(
    bound: BoundSource, key: str, inputs: list[InputFile], funnel: list[FunnelStep], shards: list[Shard]
) -> SourceEntry:
    """What a manifest says of a source."""
    missing = [name for step in funnel for name in step.examples.pop(NOT_FOUND, [])]
    return SourceEntry(
        name=bound.block.label,
        source=bound.source.name,
        key=key,
        inputs=inputs,
        params=bound.params,
        steps=[params_of(step) for step in bound.steps],
        funnel=funnel,
        conversations=funnel[-1].conversations.left,
        pairs=funnel[-1].pairs.left,
        shards=shards,
        expect=bound.block.expect,
        not_found=missing,
    )
