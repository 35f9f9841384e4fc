"""Building a source again from its raw files, without writing anything, in a process of its own."""

import gc
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from mix665k.builders.bind import BoundSource
from mix665k.mixtures.build.plan import Options, named_by
from mix665k.mixtures.build.reuse_key import TOKENIZER, hash_tokenizer, input_fault
from mix665k.mixtures.build.source import begin, finished_rows, make_entry, was_there
from mix665k.mixtures.inspect.sample import Sampler
from mix665k.mixtures.parallel import Report
from mix665k.mixtures.storage.parquet import Filling, shard_name, to_rows
from mix665k.schemas.errors import UserError
from mix665k.schemas.manifest import CONTAMINATION, InputFile, Shard, SourceEntry

PRELOAD = "mix665k.mixtures.verify.rebuild"
"""What the processes of a verification import beforehand."""


class RebuildRequest(NamedTuple):
    """A source of a mixture, how to build it again, and how many of its records to draw."""

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
        if request.entry.funnel[-1].step == CONTAMINATION:
            why = "written by `mix contamination`, which drops records; verify the mixture that it was made of"
            return Rebuilt(faults, entry=None, drawn=[], why_not=why)
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
    entry, bound, options, sample = request
    if len(entry.shards) > 1:  # all but the last are full, whatever a shard holds in the version that wrote them
        options = options._replace(rows_per_shard=max(entry.shards[0].rows, 1))
    sampler, run = Sampler(sample), begin(bound, options, report)
    shards = [Filling(rows_per_shard=options.rows_per_shard)]
    for rows in finished_rows(run, entry.name, options, is_there=was_there(entry.funnel)):
        if shards[-1].full:
            shards.append(Filling(rows_per_shard=options.rows_per_shard))
        shards[-1].add(rows)
        sampler.offer_rows(entry.name, rows)
        report(0, len(rows))
    if not shards[0].rows:
        shards[0].add(to_rows(entry.name, []))
    names = [f"data/{shard_name(entry.name, i, len(shards))}" for i in range(len(shards))]
    made = [
        Shard(name, rows=shard.rows, bytes=0, sha256="", row_hash=shard.row_hash)
        for name, shard in zip(names, shards, strict=True)
    ]
    again = make_entry(bound, run.funnel(), made, key="", inputs=[], splits=run.raw.splits)
    return Rebuilt(faults, again, [one.record for one in sampler.drawn(entry.name)])


def _path_of(file: InputFile, options: Options) -> Path:
    """Where an input of a mixture should be now."""
    given = options.ids_from if file.role == "ids_from" else None
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
