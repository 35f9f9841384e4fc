"""Building a source again from its raw files, without writing anything, in a process of its own."""

import gc
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import polars as pl
import pyarrow as pa

from mix665k.builders.bind import BoundSource
from mix665k.mixtures.build.plan import Options, named_by
from mix665k.mixtures.build.reuse_key import TOKENIZER, hash_tokenizer, input_fault
from mix665k.mixtures.build.source import begin, finished_rows, make_entry, was_there
from mix665k.mixtures.engine.tasks import Report
from mix665k.mixtures.inspect.sample import Sampler
from mix665k.mixtures.select.derived import full_groups
from mix665k.mixtures.storage.parquet import Filling, count_pairs, read_shard, shard_name, to_rows
from mix665k.schemas.errors import UserError
from mix665k.schemas.manifest import DERIVING, InputFile, Shard, SourceEntry

PRELOAD = "mix665k.mixtures.verify.rebuild"
"""What the processes of a verification import beforehand."""


class RebuildRequest(NamedTuple):
    """A source of the mixture in `folder`, how to build it again, and how many of its records to draw."""

    folder: Path
    entry: SourceEntry
    bound: BoundSource
    options: Options
    sample: int


class Rebuilt(NamedTuple):
    """What building again gave: an entry whose shards have rows and row hashes only, or why there is none."""

    input_faults: list[str]
    entry: SourceEntry | None
    drawn: list[dict[str, Any]]
    why_not: str = ""


def rebuild_source(request: RebuildRequest, report: Report) -> Rebuilt:
    """Hash what a source was built from, and build it again."""
    gc.disable()  # as in a build
    faults: list[str] = []
    try:
        faults += _input_faults(request)
        return _rebuild(request, report, faults)
    except UserError as error:
        return Rebuilt(faults, entry=None, drawn=[], why_not=str(error))
    except OSError as error:
        return Rebuilt(
            faults,
            entry=None,
            drawn=[],
            why_not=f"{error.filename or request.options.raw}: {(error.strerror or '').lower()}",
        )


def _rebuild(request: RebuildRequest, report: Report, faults: list[str]) -> Rebuilt:
    entry, bound, options, sample = request.entry, request.bound, request.options, request.sample
    # A mixture made of another one's records has a step for that behind those of the build. Which records it took is
    # in its own ids; that they are all there is, is what the funnel, the shards and the sample are compared for.
    added = [step for step in entry.funnel if step.step in DERIVING]
    if len(entry.shards) > 1:  # all but the last are full, whatever a shard holds in the version that wrote them
        options = options._replace(rows_per_shard=max(entry.shards[0].rows, 1))
    sampler, run, pairs = Sampler(sample), begin(bound, options, report), 0
    shards = [Filling(rows_per_shard=options.rows_per_shard)]
    batches = finished_rows(run, entry.name, options, is_there=was_there(entry.funnel))
    for rows in full_groups(_those_of(request, batches)) if added else batches:
        if shards[-1].full:
            shards.append(Filling(rows_per_shard=options.rows_per_shard))
        shards[-1].add(rows)
        sampler.offer_rows(entry.name, rows)
        pairs += count_pairs(rows)
        report(0, len(rows))
    if not shards[0].rows:
        shards[0].add(to_rows(entry.name, []))
    names = [f"data/{shard_name(entry.name, i, len(shards))}" for i in range(len(shards))]
    made = [
        Shard(name, rows=shard.rows, bytes=0, sha256="", row_hash=shard.row_hash)
        for name, shard in zip(names, shards, strict=True)
    ]
    again = make_entry(bound, run.funnel(), made, key="", inputs=[], splits=run.raw.splits)
    if added:
        kept = sum(shard.rows for shard in shards)
        again = msgspec.structs.replace(again, funnel=[*again.funnel, *added], conversations=kept, pairs=pairs)
    return Rebuilt(faults, again, [one.record for one in sampler.drawn(entry.name)])


def _those_of(request: RebuildRequest, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """The rows whose ids the mixture has."""
    shards = [request.folder / shard.path for shard in request.entry.shards]
    ids = pl.Series([name for path in shards for rows in read_shard(path) for name in rows["id"].to_pylist()])
    for rows in batches:
        yield rows.filter(pl.Series(rows["id"]).is_in(ids.implode()).to_arrow())


def _path_of(file: InputFile, options: Options) -> Path:
    """Where an input of a mixture should be now."""
    given = options.draws_from if file.role == "draws_from" else None
    return given or options.raw / file.path


def _input_faults(request: RebuildRequest) -> Iterator[str]:
    """Inputs that are missing or not those that the mixture was built from.

    Raises:
        TokenizerError: for a tokenizer that is nowhere.
    """
    entry = request.entry
    files = {file.path: file for file in entry.inputs if file.role != TOKENIZER}
    for file in files.values():
        if why := input_fault(file, _path_of(file, request.options)):
            yield why
    built_from = {_path_of(file, request.options) for file in files.values()}
    for path in (part for parts in request.bound.files.values() for part in parts if len(parts) > 1):
        if path not in built_from:
            yield f"{path}: is not one of the files that the mixture was built from"
    known = {file.sha256: file.path for file in entry.inputs if file.role == TOKENIZER}
    for name in named_by(request.bound.steps, TOKENIZER):
        if hash_tokenizer(name).sha256 not in known:
            built_with = ", ".join(known.values())
            yield f"tokenizer {name}: its files are not those of {built_with}, with which {entry.name} was built"
