"""Building one source, in a process of its own."""

import gc
import os
import shutil
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import msgspec

from builders.bind import BoundSource
from builders.pipeline import Run
from mixtures.finish import counted, named, valid, with_images
from mixtures.keys import hash_inputs, key_of
from mixtures.manifests import write_whole
from mixtures.plan import Options, params_of
from mixtures.store import ROWS_PER_GROUP, Named, ShardWriter, file_hash, to_rows
from schemas.errors import MixtureError
from schemas.manifest import FunnelStep, InputFile, Shard, SourceEntry, funnel_fault

STATE = ".build"
"""Folder of a mixture for the state of finished sources and for unfinished work."""

Report = Callable[[int, int], None]
"""Hears of raw bytes read and records written since its last call."""


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
    run = Run(bound, on_bad_record=options.on_bad_record, progress=lambda n: report(n, 0), limit=options.limit)
    writer = ShardWriter(work, label)
    records = _finish(run, label, options)
    while batch := list(islice(records, ROWS_PER_GROUP)):
        writer.write(to_rows(label, batch))
        report(0, len(batch))
    entry = _entry(bound, key, inputs, run.funnel(), _move(writer.finish(), work, options.out))
    if why := funnel_fault(entry):
        raise MixtureError(f"{label}: {why}")
    write_whole(options.out / STATE / f"{label}.json", msgspec.json.encode(entry))
    return Built(entry, reused=False)


def _finish(run: Run, label: str, options: Options) -> Iterator[Named]:
    """The conversations of a run through the last steps."""
    stream = run.conversations
    if options.images is not None:
        tally = run.add("images")
        drop = options.on_missing_image == "drop"
        stream = with_images(tally.entering(stream), tally, label=label, images=options.images, drop=drop)
        stream = tally.leaving(stream)
    tally = run.add("check")
    records = named(tally.entering(stream), label=label)
    return counted(valid(records, tally, label=label, on_bad_record=options.on_bad_record), tally)


def _finished(out: Path, label: str, key: str) -> SourceEntry | None:
    """The entry of a source built under this key whose shards are whole."""
    try:
        entry = msgspec.json.decode((out / STATE / f"{label}.json").read_bytes(), type=SourceEntry)
    except (FileNotFoundError, msgspec.DecodeError):
        return None
    whole = all((out / s.path).is_file() and file_hash(out / s.path) == s.sha256 for s in entry.shards)
    return entry if entry.key == key and whole else None


def _move(shards: list[Shard], work: Path, out: Path) -> list[Shard]:
    """Put finished shards in place of those of an earlier build."""
    for shard in shards:
        (work / Path(shard.path).name).replace(out / shard.path)
    shutil.rmtree(work)
    return shards


def _entry(
    bound: BoundSource, key: str, inputs: list[InputFile], funnel: list[FunnelStep], shards: list[Shard]
) -> SourceEntry:
    missing = [name for step in funnel for name in step.examples.pop("not found", [])]
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
