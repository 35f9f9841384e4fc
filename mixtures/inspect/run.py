"""Looking through a whole mixture, or a file in LLaVA's own form: every record checked and measured."""

from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import polars as pl

from mix665k.mixtures.inspect.answers import AnswerCounter
from mix665k.mixtures.inspect.findings import Answers, Inspection, Loss
from mix665k.mixtures.inspect.measure import count_image_names, measure, measure_tokens, numbers, total
from mix665k.mixtures.inspect.sample import Sampler
from mix665k.mixtures.progress import Advance
from mix665k.mixtures.storage.integrity import require_sums, require_unique, require_valid, whole_rows
from mix665k.mixtures.storage.llava_json import Faults, measure_records, sound_records
from mix665k.mixtures.storage.parquet import ROWS_PER_GROUP
from mix665k.mixtures.storage.prompt_kinds import SOURCES
from mix665k.mixtures.storage.published_counts import audit_image_names
from mix665k.mixtures.storage.rows import from_dicts, to_dicts
from mix665k.mixtures.storage.validate import RecordCheck
from mix665k.schemas.errors import MixtureError, did_you_mean
from mix665k.schemas.manifest import Manifest, SourceEntry, load_manifest
from mix665k.schemas.tokenizer import load_tokenizer
from mix665k.schemas.tokens import TokenCounter


class Request(NamedTuple):
    """What to look at: some sources or all, how many records to draw of each, and a tokenizer to count with."""

    sources: tuple[str, ...] = ()
    sample: int = 0
    tokenizer: str | None = None

    def counter(self) -> TokenCounter | None:
        """Counts tokens, if that is asked for; loaded before a long reading begins."""
        if self.tokenizer is None:
            return None
        load_tokenizer(self.tokenizer)
        return TokenCounter(self.tokenizer, "v1")


class _Measured(NamedTuple):
    """A row of numbers for each record of a source, and its answers."""

    frame: pl.DataFrame
    answers: Answers | None


def inspect(target: Path, request: Request, *, advance: Advance) -> Inspection:
    """Everything `mix inspect` tells about a mixture's folder or a JSON file in LLaVA's own form.

    Raises:
        MixtureError: for a mixture that is damaged, and a source that is not there.
        RawDataError: for a file that is no JSON list. Records of it with faults are counted, see `require_sound`.
        TokenizerError: when the tokenizer cannot be loaded.
    """
    return (_inspect_file if target.is_file() else _inspect_mixture)(target, request, advance)


def require_sound(inspection: Inspection) -> None:
    """No record of a JSON file has a fault.

    Raises:
        MixtureError: with the number of those that have, and the first.
    """
    if inspection.faults:
        first = inspection.fault_examples[0]
        raise MixtureError(
            f"{inspection.path}: {inspection.faults:,} records with faults, expected none; the first is {first.where} "
            f"(id {first.id!r}): {first.why}; mend them in the file"
        )


def selected(manifest: Manifest, names: tuple[str, ...], *, folder: Path) -> list[SourceEntry]:
    """The sources of a mixture that these name, or all.

    Raises:
        MixtureError: for a name that is not among them.
    """
    require_known(folder, names, [entry.name for entry in manifest.sources])
    return [entry for entry in manifest.sources if not names or entry.name in names]


def require_known(path: Path, names: tuple[str, ...], known: list[str]) -> None:
    """All of these sources are among those that are known.

    Raises:
        MixtureError: for the first that is not.
    """
    for name in names:
        if name not in known:
            raise MixtureError(f"--source {name}: {path} has no such source{did_you_mean(name, known)}")


def _inspect_mixture(folder: Path, request: Request, advance: Advance) -> Inspection:
    manifest = load_manifest(folder)
    require_sums(folder, manifest)
    entries = selected(manifest, request.sources, folder=folder)
    counter, sampler = request.counter(), Sampler(request.sample)
    whole = max(sum(entry.conversations for entry in entries), 1)
    measured = {
        entry.name: _measured(folder, entry, counter, sampler, lambda rows: advance(rows / whole)) for entry in entries
    }
    require_unique(folder, pl.concat([one.frame["id"] for one in measured.values()]))
    found = _inspection(folder, request, measured, sampler)
    found.kind, found.name, found.row_hash = "mixture", manifest.name, manifest.row_hash
    found.overrides = manifest.overrides
    for one, entry in zip(found.sources, entries, strict=True):
        if one.pairs != entry.pairs:
            raise MixtureError(
                f"{folder}: {entry.name}: {one.pairs:,} pairs, expected {entry.pairs:,} as manifest.json says; "
                "build the mixture again"
            )
        one.funnel, one.left_out = entry.funnel, _losses(entry)
        one.box_convention = entry.params.get("convention")
        one.ids_not_found = len(entry.not_found)
    return found


def _measured(
    folder: Path, entry: SourceEntry, counter: TokenCounter | None, sampler: Sampler, advance: Callable[[int], None]
) -> _Measured:
    """A source's records, all of them checked."""
    check, answers = RecordCheck(), AnswerCounter()
    frames = [measure(from_dicts([]))]
    for shard in entry.shards:
        for batch in whole_rows(folder, shard):
            rows = to_dicts(batch)
            require_valid(rows, check, entry=entry, shard=shard)
            for row in rows:
                sampler.offer(entry.name, row["id"], row)
            frame = measure(batch)
            answers.add(batch, frame["source"])
            frames.append(frame if counter is None else frame.hstack(measure_tokens(rows, counter)))
            advance(len(rows))
    return _Measured(pl.concat(frames, how="diagonal"), answers.found(entry.name))


def _losses(entry: SourceEntry) -> list[Loss]:
    """What a source lost by reason: pairs, or records that a step names; merging and splitting lose neither."""
    losses = []
    for step in entry.funnel:
        for reason in step.conversations.changes | step.pairs.changes:
            records, pairs = -step.conversations.changes.get(reason, 0), -step.pairs.changes.get(reason, 0)
            if pairs > 0 or (records > 0 and reason in step.examples):
                losses.append(Loss(step.step, reason, records, pairs))
    return losses


def _inspect_file(path: Path, request: Request, advance: Advance) -> Inspection:
    counter, sampler, faults, answers = request.counter(), Sampler(request.sample), Faults(), AnswerCounter()
    size = max(path.stat().st_size, 1)
    records = sound_records(path, faults, progress=lambda num_bytes: advance(num_bytes / size))
    frames = [measure_records([], from_dicts([]))]
    while batch := list(islice(records, ROWS_PER_GROUP)):
        rows = [record.row for record in batch]
        columns = from_dicts(rows)
        frame = measure_records(batch, columns)
        for source, record in zip(frame["source"], batch, strict=True):
            sampler.offer(source, f"{record.id}{record.where}", record.as_published())
        answers.add(columns, frame["source"])
        frames.append(frame if counter is None else frame.hstack(measure_tokens(rows, counter)))
    told = pl.concat(frames, how="diagonal").partition_by("source", as_dict=True)
    names = [name for name in SOURCES if (name,) in told]
    require_known(path, request.sources, names)
    chosen = {
        name: _Measured(told[name,], answers.found(name))
        for name in names
        if not request.sources or name in request.sources
    }
    found = _inspection(path, request, chosen, sampler)
    found.faults, found.fault_examples = faults.count, faults.examples
    return found


def _inspection(path: Path, request: Request, measured: dict[str, _Measured], sampler: Sampler) -> Inspection:
    frame = pl.concat([measure(from_dicts([])), *(one.frame for one in measured.values())], how="diagonal")
    all_sources = total(frame, set(measured))
    image_names = count_image_names(frame)
    return Inspection(
        path=str(path),
        kind="llava_json",
        name=path.name,
        tokenizer=request.tokenizer,
        sources=[numbers(one.frame, name, answers=one.answers) for name, one in measured.items()],
        total=all_sources,
        image_names=image_names,
        image_names_audit=audit_image_names(image_names) if all_sources.audit else None,
        sample=[record for name in measured for record in sampler.drawn(name)],
    )
