"""Inspecting a mixture: every record checked and measured, source by source."""

from collections.abc import Collection, Sequence

import polars as pl

from mix665k.builders.llava_records import LLAVA_JSON
from mix665k.mixtures.inspect.answers import AnswerCounter
from mix665k.mixtures.inspect.findings import Answers, Inspection
from mix665k.mixtures.inspect.fingerprint import Tally, fingerprint
from mix665k.mixtures.inspect.measure import count_image_names, measure, measure_tokens, numbers, total
from mix665k.mixtures.inspect.sample import Sampler
from mix665k.mixtures.mixture import Batch, Mixture
from mix665k.mixtures.storage.llava_json import Faults, published_id
from mix665k.mixtures.storage.parquet import from_dicts, to_dicts
from mix665k.mixtures.storage.prompt_kinds import SOURCES, known_prompts
from mix665k.mixtures.terminal import Advance
from mix665k.schemas.manifest import left_out
from mix665k.schemas.tokens import TOKENS_PER_IMAGE, TokenCounter, text_encoder


def inspect(
    mixture: Mixture,
    *,
    sources: Collection[str] = (),
    sample: int = 0,
    tokenizer: str | None = None,
    tokens_per_image: int = TOKENS_PER_IMAGE,
    advance: Advance,
) -> Inspection:
    """Everything `mix inspect` tells about a mixture; what its manifest says of its sources comes along.

    `sample` records of each source are drawn, and tokens counted with a `tokenizer`, which is loaded first; an image is
    `tokens_per_image` of them.

    Raises:
        MixtureError: for a mixture that is damaged, and a source that is not there.
        RawDataError: for a file that is no JSON list. Records of it with faults are counted, see `require_sound`.
        TokenizerError: when the tokenizer cannot be loaded.
    """
    faults = Faults()
    prompts = known_prompts([mixture.manifest] if mixture.manifest else [])
    measurements = _Measurements(prompts, sample=sample, tokenizer=tokenizer, tokens_per_image=tokens_per_image)
    for batch in mixture.batches(sources=sources, advance=advance, checked=True, faults=faults):
        measurements.add(batch)
    entries = {entry.name: entry for entry in mixture.entries(sources)} if mixture.manifest else {}
    found = measurements.inspection(mixture, list(entries) if mixture.manifest else measurements.occurring())
    found.faults, found.fault_examples = faults.count, faults.examples
    for one in found.sources if mixture.manifest else ():
        entry = entries[one.name]
        one.funnel, one.left_out = entry.funnel, left_out(entry)
        one.box_convention, one.splits = entry.params.get("convention"), entry.splits
    return found


def require_sound(inspection: Inspection) -> None:
    """No record of a JSON file has a fault.

    Raises:
        MixtureError: with the number of those that have, and the first.
    """
    faults = Faults()
    faults.count, faults.examples = inspection.faults, inspection.fault_examples
    faults.require_none(inspection.path)


class _Measurements:
    """What has been read so far: a row of numbers for each record, the answers, and the sample."""

    def __init__(self, prompts: Sequence[str], *, sample: int, tokenizer: str | None, tokens_per_image: int) -> None:
        self._prompts = prompts
        self._tokenizer = tokenizer
        self._counter: TokenCounter | None = None
        if tokenizer is not None:
            text_encoder(tokenizer)
            self._counter = TokenCounter(tokenizer, "v1", tokens_per_image=tokens_per_image)
        self._samples = sample > 0
        self._sampler = Sampler(sample)
        self._counting = AnswerCounter()
        self._answers: dict[str, Answers | None] = {}
        self._frames = [measure(from_dicts([]), prompts)]
        self._tallies: dict[str, Tally] = {}
        self._source: str | None = None

    def add(self, batch: Batch) -> None:
        """Measure a batch of sound rows; those of a folder's source come together."""
        frame = measure(batch.rows, self._prompts).with_columns(source=batch.sources)
        if batch.entry is None:
            frame = frame.with_columns(integer_id=pl.Series(batch.integer_ids, dtype=pl.Boolean))
            self._offer(batch)
        else:
            self._begin(batch.entry.name)
            self._sampler.offer_rows(batch.entry.name, batch.rows)
        self._counting.add(batch.rows, batch.sources)
        told = pl.DataFrame(batch.rows).with_columns(told=batch.sources)
        for (name,), rows in told.partition_by("told", as_dict=True).items():
            self._tallies.setdefault(name, Tally()).add(rows)
        if self._counter is not None:
            frame = frame.hstack(measure_tokens(to_dicts(batch.rows), self._counter))
        self._frames.append(frame)

    def _begin(self, source: str) -> None:
        """Count up the answers of the source before, whose texts need not be kept any longer."""
        if self._source not in (None, source):
            self._answers[self._source] = self._counting.found(self._source)
        self._source = source

    def occurring(self) -> list[str]:
        """The sources that were seen, in the order they are shown."""
        seen = {name for frame in self._frames for name in frame["source"].unique()}
        return [name for name in SOURCES if name in seen]

    def _offer(self, batch: Batch) -> None:
        """Offer the records of a JSON file as they are published; what tells them apart are their ids and places."""
        if not self._samples:
            return
        described = zip(to_dicts(batch.rows), batch.sources, batch.places, batch.integer_ids, strict=True)
        for row, source, place, integer in described:
            about = {name: row[name] for name in ("image", "more_images", "system") if row[name] is not None}
            record = {"id": published_id(row["reference_id"], integer=integer), **about}
            record["conversations"] = row["conversations"]
            self._sampler.offer(source, f"{row['reference_id']}$[{place}]", record)

    def inspection(self, mixture: Mixture, names: list[str]) -> Inspection:
        """The numbers of these sources."""
        everything = pl.concat(self._frames, how="diagonal")
        frames = everything.partition_by("source", as_dict=True)
        nothing = everything.clear()
        answers = {name: self._answers.get(name) or self._counting.found(name) for name in names}
        all_sources = total(everything, set(names))
        image_names = count_image_names(everything)
        manifest = mixture.manifest
        return Inspection(
            path=str(mixture.path),
            kind="mixture" if manifest else LLAVA_JSON,
            name=mixture.name,
            tokenizer=self._tokenizer,
            sources=[numbers(frames.get((name,), nothing), name, answers=answers[name]) for name in names],
            total=all_sources,
            image_names=image_names,
            fingerprint=fingerprint({name: tally for name, tally in self._tallies.items() if name in names}),
            overrides=manifest.overrides if manifest else {},
            row_hash=manifest.row_hash if manifest else None,
            sample=[record for name in names for record in self._sampler.drawn(name)],
        )
