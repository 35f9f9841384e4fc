"""Counting what was found, by source."""

from collections.abc import Iterable, Mapping

import polars as pl

from mix665k.mixtures.images.findings import (
    FINDINGS,
    Bad,
    Case,
    Count,
    ImagesReport,
    KnownMissing,
    Mapped,
    SourceImages,
)
from mix665k.mixtures.images.naming import Named
from mix665k.mixtures.terminal import ALL

_KNOWN = "known missing"


def summarise(named: Named, cases: Mapping[str, Case]) -> ImagesReport:
    """The report of these cases, in their order."""
    words = {image: _KNOWN if case.known_missing else case.verdict.finding for image, case in cases.items()}
    records = named.records.with_columns(
        finding=pl.col("image").replace_strict(words, default=None, return_dtype=pl.String)
    )
    uses = _uses([image for image, word in words.items() if word], records)
    bad, known = [], []
    for image, case in cases.items():
        found = case.verdict.finding
        if words[image] == _KNOWN:
            known.append(KnownMissing(image, sum(uses[image].values()), uses[image]))
        elif found is not None:
            file = None if case.file == image else case.file
            count = sum(uses[image].values())
            bad.append(
                Bad(
                    image=image,
                    finding=found,
                    detail=case.verdict.detail,
                    file=file,
                    mend=case.mend,
                    records=count,
                    sources=uses[image],
                )
            )
    notes: dict[str, list[str]] = {}
    for image, case in cases.items():
        if case.verdict.finding is None and case.verdict.note:
            notes.setdefault(case.verdict.note, []).append(image)
    return ImagesReport(
        sources=[_source(name, records.filter(pl.col("source") == name)) for name in named.sources],
        total=_source(ALL, records),
        bad=bad,
        known_missing=known,
        mapped=[
            Mapped(image, case.file) for image, case in cases.items() if words[image] is None and case.file != image
        ],
        notes=notes,
    )


def _uses(images: Iterable[str], records: pl.DataFrame) -> dict[str, dict[str, int]]:
    """How many records of which sources name each image."""
    uses: dict[str, dict[str, int]] = {image: {} for image in images}
    for image, source, count in (
        records.filter(pl.col("finding").is_not_null()).select("image", "source", "records").rows()
    ):
        uses[image][source] = count
    return uses


def _source(name: str, records: pl.DataFrame) -> SourceImages:
    known = records.filter(pl.col("finding") == _KNOWN)
    bad = records.filter(pl.col("finding").is_not_null() & (pl.col("finding") != _KNOWN))
    counts: dict[str, Count] = {word: _count(bad.filter(pl.col("finding") == word)) for word in FINDINGS}
    found = {word: count for word, count in counts.items() if count.images}
    return SourceImages(name=name, named=_count(records), bad=_count(bad), known_missing=_count(known), findings=found)


def _count(records: pl.DataFrame) -> Count:
    return Count(records["image"].n_unique(), int(records["records"].sum()))
